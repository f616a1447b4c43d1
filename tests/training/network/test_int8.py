"""Rounding in training: its gradient, batch norm inside it, the scales of weights, and unfit files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.convert.int8.scales import weight_scales
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.training.network import int8
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN, ConvBN
from tests.training.int8_files import write_int8_file

pytestmark = pytest.mark.usefixtures("narrow")


def test_the_gradient_passes_rounding_and_ends_where_values_are_clipped() -> None:
    x = paddle.to_tensor([-9.0, -3.2, 0.4, 2.5, 7.6], stop_gradient=False)
    rounded = int8._Round.apply(x, -4, 7)
    (rounded * paddle.to_tensor([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    np.testing.assert_array_equal(rounded.numpy(), [-4, -3, 0, 2, 7])
    np.testing.assert_array_equal(x.grad.numpy(), [0, 2, 3, 4, 0])


def test_weights_have_the_scales_that_conversion_gives_them() -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((300, 5, 1, 1)) * 10.0 ** rng.uniform(-9, 2, (300, 1, 1, 1))
    weights[0] = 0
    weights[1:40] = 127 * 2.0 ** np.arange(5, -34, -1).reshape(-1, 1, 1, 1)  # FP16 holds these, or just not
    weights = weights.astype(np.float32)
    np.testing.assert_array_equal(int8._weight_scales(paddle.to_tensor(weights)).numpy(), weight_scales(weights))


def test_a_folded_convolution_is_convolution_and_batch_norm() -> None:
    layer = ConvBN(3, 4, 3, stride=2, relu=False)
    rng, norm = np.random.default_rng(0), layer._batch_norm
    for value in (norm.weight, norm.bias, norm._mean, norm._variance):
        numbers = rng.uniform(0.5, 2, 4)
        value.set_value(paddle.to_tensor(numbers, "float32"))
    layer.eval()
    x = paddle.randn([2, 3, 9, 9])
    weights, bias = layer.folded()
    found = paddle.nn.functional.conv2d(x, weights, bias, stride=2, padding=1)
    np.testing.assert_allclose(found.numpy(), layer(x).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"precision": "fp32"}, UsageError, "is fp32; name a file of `pptsn convert int8`"),
        ({"depth": 34}, UsageError, r"is of a network of depth 34, and the recipe's \(model.depth\) has 18; name"),
        ({"activations": None}, ModelError, "its activations' scales are damaged"),
        ({"places": [("Conv", 3, 1)]}, ModelError, "are damaged .Conv has no input 1 that is an activation"),
        ({"places": [("Conv", 99, 0)]}, UsageError, "rounds what Conv 99 reads, which the network does not have"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        int8.round_as(PPTSN(18, 3), write_int8_file(tmp_path / "m.int8.onnx", **changes))
