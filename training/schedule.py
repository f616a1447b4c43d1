"""The learning rate of every iteration: a straight warm-up into a half cosine."""

from __future__ import annotations

import math


def learning_rate(
    iteration: int,
    *,
    iterations_per_epoch: int,
    epochs: int,
    base_rate: float,
    warmup_epochs: float,
    warmup_rate: float,
) -> float:
    """Return the rate of `iteration`, counted from 0 over the whole training.

    With e = iteration / iterations_per_epoch: base_rate * (1 + cos(pi * e / epochs)) / 2; for e < warmup_epochs
    a straight line from `warmup_rate` to that formula's value at the end of the warm-up (PP-TSN's recipe; the
    cosine is that of Loshchilov and Hutter, arXiv 1608.03983, without restarts).
    """
    epoch = iteration / iterations_per_epoch
    if epoch >= warmup_epochs:
        return _cosine(epoch, epochs, base_rate)
    target = _cosine(warmup_epochs, epochs, base_rate)
    return warmup_rate + (target - warmup_rate) * epoch / warmup_epochs


def _cosine(epoch: float, epochs: int, base_rate: float) -> float:
    return base_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
