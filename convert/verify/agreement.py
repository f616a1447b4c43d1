"""How closely two sets of logits agree: the figures by which a conversion is judged."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.runtime.engines.base import Logits
from pptsn.runtime.evaluate.accuracy import leading, same_answers


@dataclass(frozen=True)
class Agreement:
    """The differences between two (N, C) arrays of logits.

    rows: N.
    max_abs, mean_abs: of the logit differences.
    top1: share of rows whose leading class is the same, 0..1.
    top5: mean share of the five leading classes (or all, if there are fewer) that both have, 0..1.
    error_median, error_worst: of `normalised_errors`.
    """

    rows: int
    max_abs: float
    mean_abs: float
    top1: float
    top5: float
    error_median: float
    error_worst: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures by name; None for one that is not finite, which JSON cannot say."""
        return {name: value if np.isfinite(value) else None for name, value in dataclasses.asdict(self).items()}


def agreement(logits: Logits, reference: Logits) -> Agreement:
    """Compare `logits` with `reference`, both (N, C) float32, N >= 1.

    A value that is not finite counts as an infinite difference, and its row as one without any class in common,
    so that no tolerance lets it pass.  Of equal logits the lower class leads, in both.
    """
    if logits.shape != reference.shape or logits.ndim != 2 or len(logits) == 0:
        raise ValueError(f"logits are {logits.shape}, the reference is {reference.shape}, expected both (N, C)")
    with np.errstate(invalid="ignore"):  # infinity less infinity
        difference = np.abs(logits.astype(np.float64) - reference.astype(np.float64))
    difference[~np.isfinite(difference)] = np.inf
    ranked, expected = leading(logits), leading(reference)
    errors = normalised_errors(logits, reference)
    shared = [len(set(a) & set(b)) / max(len(a), 1) for a, b in zip(ranked, expected, strict=True)]
    return Agreement(
        rows=len(logits),
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        top1=same_answers(dict(enumerate(ranked)), dict(enumerate(expected))) / len(logits),
        top5=float(np.mean(shared)),
        error_median=float(np.median(errors)),
        error_worst=float(errors.max()),
    )


def normalised_errors(logits: Logits, reference: Logits) -> npt.NDArray[np.float64]:
    """Return the error of each row of `logits`, both (N, C): its RMS difference over the reference's deviation.

    The deviation is the standard deviation of the row of `reference` over its classes, or the median one of all
    rows where that is more, so that the figure is the noise-to-signal ratio of one answer, whatever the scale of
    the logits.  Without the median it would say nothing of two classes: a crop that a right model is undecided
    about has no signal.  Where neither is above 0, as in all rows of one class, the difference is divided by the
    magnitude of the row's logits, or by 1 where that is less.  Differences that are not finite give infinity.
    """
    expected = reference.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        rms = np.sqrt(np.mean((logits.astype(np.float64) - expected) ** 2, axis=1))
        deviation = expected.std(axis=1)
        known = deviation[np.isfinite(deviation)]
        deviation = np.maximum(deviation, np.median(known) if len(known) else 0)
        scale = np.where(deviation == 0, np.maximum(1.0, np.abs(expected.mean(axis=1))), deviation)
        errors: npt.NDArray[np.float64] = rms / scale
    errors[~np.isfinite(errors)] = np.inf
    return errors
