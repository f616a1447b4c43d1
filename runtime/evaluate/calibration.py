"""How far scores can be taken for probabilities, and the temperature that brings them nearer to that.

The terms and the method are those of Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.runtime.classify.results import softmax

_BINS = 15
# Beyond these no temperature is credible: scores are then all alike, or all 0 and 1.
COLDEST, HOTTEST = 0.01, 100.0
_HALVINGS = 60


@dataclass(frozen=True)
class Bin:
    """The clips whose scores lie in one of equal parts of 0..1: their number, mean score, share of right ones."""

    clips: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How scores of leading classes compare with how often these are right.

    bins: those that hold clips, by rising score.  error: the expected calibration error (ECE, 0..1), the mean over
    the clips of the difference between the score and the share of right answers of their bin.
    """

    bins: tuple[Bin, ...]
    error: float


def calibration(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, temperature: float = 1.0
) -> Calibration:
    """Return how the scores of `logits` (N, C) / temperature, N >= 1, compare with the `labels` (N,)."""
    scores = softmax(logits, temperature=temperature).max(axis=1).astype(np.float64)
    right = (logits.argmax(axis=1) == labels).astype(np.float64)
    places = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    bins = []
    for place in np.unique(places):
        inside = places == place
        bins.append(Bin(int(inside.sum()), float(scores[inside].mean()), float(right[inside].mean())))
    error = sum(one.clips * abs(one.right - one.score) for one in bins) / len(labels)
    return Calibration(tuple(bins), error)


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float | None:
    """Return the temperature at which `labels` (N,) are likeliest by the scores of `logits` (N, C) / temperature.

    The mean of log(sum(exp(b z))) - b z[label], b = 1 / temperature, is convex in b; its slope, the mean of
    E[z] - z[label] under the scores, is 0 at the one looked for.
    None where there is none from COLDEST to HOTTEST: where all answers are right, the scores can only rise.
    """
    rows = logits.astype(np.float64)
    own = np.take_along_axis(rows, labels[:, None], axis=1)[:, 0]

    def slope(temperature: float) -> float:
        scores = softmax(logits, temperature=temperature).astype(np.float64)
        return float(((scores * rows).sum(axis=1) - own).mean())

    low, high = np.log(COLDEST), np.log(HOTTEST)  # the slope falls as the temperature rises
    if not slope(COLDEST) > 0 > slope(HOTTEST):
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(float(np.exp(middle))) > 0 else (low, middle)
    return float(np.exp((low + high) / 2))
