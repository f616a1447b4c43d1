from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.training.learning.statistics import batch_norms, count_statistics
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.ranks.group import Ranks

RNG = np.random.default_rng(1)
BATCHES = [RNG.normal(centre, 1 + centre, (4, 3, 5, 5)).astype(np.float32) for centre in range(3)]


def _inputs() -> list[Any]:
    return [paddle.to_tensor(batch) for batch in BATCHES]


class _TwoRanks(Ranks):
    """The other rank's means are 1 everywhere."""

    def average(self, tensors: Iterable[Any]) -> None:
        for tensor in tensors:
            tensor.set_value((tensor + 1) / 2)


@pytest.mark.parametrize("ranks", [Ranks(), _TwoRanks()])
def test_they_are_the_means_of_the_means_and_variances_of_batches_over_all_ranks(ranks: Ranks) -> None:
    layer = nn.BatchNorm2D(3)
    layer._mean.set_value(np.full(3, 7, np.float32))
    count_statistics(layer, _inputs(), ranks=ranks)
    wide = [batch.astype(np.float64) for batch in BATCHES]
    for found, expected in (
        (layer._mean, np.mean([batch.mean(axis=(0, 2, 3)) for batch in wide], axis=0)),
        (layer._variance, np.mean([batch.var(axis=(0, 2, 3)) for batch in wide], axis=0)),
    ):
        total = expected if ranks.__class__ is Ranks else (expected + 1) / 2
        np.testing.assert_allclose(found.numpy(), total, rtol=1e-5)


def test_a_layer_sees_what_those_before_it_make_of_a_batch_by_its_own_statistics() -> None:
    model = nn.Sequential(nn.BatchNorm2D(3), nn.BatchNorm2D(3))
    model[0].weight.set_value(np.array([2, 3, 4], np.float32))
    count_statistics(model, _inputs(), ranks=Ranks())
    # Of each batch alone the first layer makes mean 0 and variance 1, but for epsilon, and scales them.
    np.testing.assert_allclose(model[1]._mean.numpy(), 0, atol=1e-5)
    np.testing.assert_allclose(model[1]._variance.numpy(), [4, 9, 16], rtol=1e-3)


def test_afterwards_training_counts_as_before() -> None:
    layer = nn.BatchNorm2D(3, momentum=0.9)
    count_statistics(layer, _inputs(), ranks=Ranks())
    counted = layer._mean.numpy()
    layer(paddle.to_tensor(BATCHES[0]))
    expected = 0.9 * counted + 0.1 * BATCHES[0].mean(axis=(0, 2, 3))
    np.testing.assert_allclose(layer._mean.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_layers_in_inference_mode_keep_theirs() -> None:
    model = nn.Sequential(nn.BatchNorm2D(3), nn.BatchNorm2D(3))
    model[0].eval()
    assert batch_norms(model) == [model[1]]
    count_statistics(model, _inputs(), ranks=Ranks())
    assert model[0]._mean.numpy().tolist() == [0, 0, 0]
    assert model[1]._mean.numpy().all()


def test_after_an_error_training_counts_as_before() -> None:
    layer = nn.BatchNorm2D(3)

    def failing() -> Iterable[Any]:
        yield paddle.to_tensor(BATCHES[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_statistics(layer, failing(), ranks=Ranks())
    assert layer._momentum == 0.9


def test_without_a_batch_there_are_none() -> None:
    layer = nn.BatchNorm2D(3)
    with pytest.raises(
        InputError, match=r"^training list: has no batch .*; repair the list, or leave out model\.pre"
    ):
        count_statistics(layer, [], ranks=Ranks())
    assert layer._mean.numpy().tolist() == [0, 0, 0]
