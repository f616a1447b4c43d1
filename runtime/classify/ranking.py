"""Ranking classes by their logits: one rule for ties, wherever right answers are counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def leading_classes(logits: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Return the `count` leading classes (or all, if there are fewer) of each row of `logits` (N, C), best first.

    Of equal logits the lower class leads.
    """
    order: npt.NDArray[np.int64] = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    return order


def correct_counts(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, ks: tuple[int, ...] = (1, 5)
) -> tuple[int, ...]:
    """Return for each k how many rows of `logits` (B, C) have their label (B,) among the k largest.

    Of equal logits the lower class counts as larger, so that a network that tells nothing apart is not right.
    """
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    classes = np.arange(logits.shape[1])
    rank = (logits > own).sum(axis=1) + ((logits == own) & (classes < labels[:, None])).sum(axis=1)
    # Logits that are no numbers are never right.
    rank = np.where(np.isfinite(logits).all(axis=1), rank, logits.shape[1])
    return tuple(int((rank < min(k, logits.shape[1])).sum()) for k in ks)
