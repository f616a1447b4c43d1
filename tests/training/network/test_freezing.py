from __future__ import annotations

import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.network.freezing import freeze
from pptsn.training.network.resnet_vd import PPTSN

STAGES = {"stem": "conv1_", "res2": "bb_0_", "res3": "bb_1_", "res4": "bb_2_", "res5": "bb_3_"}


@pytest.mark.parametrize("last", STAGES)
def test_parameters_up_to_a_stage_get_no_gradients_and_all_others_do(last: str) -> None:
    model = PPTSN(18, 3)
    learned = {name for name, parameter in model.named_parameters() if not parameter.stop_gradient}
    names = list(STAGES)
    parts = tuple(f"backbone.{STAGES[name]}" for name in names[: names.index(last) + 1])
    layers = freeze(model, last)
    model.train()
    for layer in layers:
        layer.eval()
    norms = {name: layer for name, layer in model.named_sublayers() if isinstance(layer, nn.BatchNorm2D)}
    assert {name for name, layer in norms.items() if not layer.training} == {
        n for n in norms if n.startswith(parts)
    }
    model(paddle.to_tensor(np.ones((2, 1, 3, 32, 32), np.float32))).sum().backward()
    moved = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert moved == {name for name in learned if not name.startswith(parts)}


def test_a_stage_that_there_is_not_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"^model\.freeze: is res6; choose one of stem, res2, .*res5, or leave it out$"
    ):
        freeze(PPTSN(18, 3), "res6")
