"""Precise batch norm: its statistics counted anew, by weights that stand still, before they are used in inference.

The running statistics of training lag behind the weights.  Wu and Johnson, "Rethinking 'Batch' in BatchNorm",
arXiv 2105.07576, section 3; as PaddleVideo does it, the new ones are the plain means of the means and of the
variances of batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from pptsn.runtime.base.errors import InputError
from pptsn.training.learning.precision import Cast
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.ranks.group import Ranks


def batch_norms(model: Any) -> list[Any]:
    """Return the batch norms of `model` that count statistics: those that are not in inference mode."""
    kinds = (nn.BatchNorm2D, nn.SyncBatchNorm)
    return [layer for layer in model.sublayers(include_self=True) if isinstance(layer, kinds) and layer.training]


def count_statistics(model: Any, inputs: Iterable[Any], *, ranks: Ranks, cast: Cast = nullcontext) -> None:
    """Replace the statistics of the batch norms of `model`, which is in training mode, by the means of `inputs`.

    inputs: the network's batches, tensors, as many in each of `ranks`; the means are those of all ranks.  Batch
    norms in inference mode (see `network.freezing`) keep theirs.
    cast: gives the context in which the network computes, see `Precision`.
    Raises InputError where there are no batches.
    """
    layers = batch_norms(model)
    statistics = [value for layer in layers for value in (layer._mean, layer._variance)]
    momenta = [layer._momentum for layer in layers]
    sums = [paddle.zeros_like(value) for value in statistics]
    batches = 0
    try:
        for layer in layers:
            layer._momentum = 0.0  # nothing of the statistics before: a batch's own
        with paddle.no_grad():
            for batch in inputs:
                with cast():
                    model(batch)
                batches += 1
                for total, value in zip(sums, statistics, strict=True):
                    total.add_(value)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer._momentum = momentum
    if not batches:
        cause = "has no batch that can be read, for the statistics of batch norm"
        raise InputError("training list", cause, "repair the list, or leave out model.precise_batch_norm")
    means = [total.scale(1.0 / batches) for total in sums]
    ranks.average(means)
    for value, mean in zip(statistics, means, strict=True):
        value.set_value(mean)
