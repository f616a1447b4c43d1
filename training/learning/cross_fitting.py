"""Answers for clips by heads that have not learned from them, where there are too few clips to keep some apart.

Of the clips in several folds a head is fitted to all but one, which it answers.  The penalty by which the answers
for a fold are given is the best for the answers for the others, so that no clip has a part in what it is answered
by (Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions", J. R. Statist. Soc. B 36, 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.training.learning.linear_head import Array, LinearHead

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """logits: (N, C) float32 of the clips, each of a head that has not learned from it.

    losses: the mean loss of such answers by penalty, with the same penalty for all.  penalty: with the lowest.
    """

    logits: Array
    losses: dict[float, float]

    @property
    def penalty(self) -> float:
        """The one to fit a head to all clips by."""
        return min(self.losses, key=self.losses.__getitem__)


def cross_fit(
    features: Array,
    labels: Labels,
    folds: Labels,
    *,
    penalties: Sequence[float],
    fit: Callable[[Array, Labels, float], LinearHead],
    loss: Callable[[Array, Labels], float],
) -> CrossFit:
    """Return the answers for clips of `features` (N, D), `labels` (N,) and `folds` (N,), two folds or more.

    fit: gives the head that learns from features and labels by a penalty.  loss: the mean of logits and labels.
    """
    answers: dict[float, Array] = {}
    for penalty in penalties:
        rows = [
            fit(features[folds != fold], labels[folds != fold], penalty).logits(features) for fold in _in(folds)
        ]
        answers[penalty] = np.array(rows)[np.unique(folds, return_inverse=True)[1], np.arange(len(labels))]
    logits = np.empty_like(answers[penalties[0]])
    for fold in _in(folds):
        others = folds != fold
        best = min(penalties, key=lambda penalty: loss(answers[penalty][others], labels[others]))
        logits[~others] = answers[best][~others]
    return CrossFit(logits, {penalty: loss(answers[penalty], labels) for penalty in penalties})


def _in(folds: Labels) -> list[int]:
    return [int(fold) for fold in np.unique(folds)]
