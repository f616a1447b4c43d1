"""Percentiles and their intervals, and the number of samples that they need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import comb

from benchmarks.results import Measurement

# An interval is to hold the true median with at least this probability, where there are repeats enough.
_COVERAGE = 0.95


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the percentile `share` (0..1) of `samples` by nearest rank: a value that occurred.

    Raises ValueError where there are none.
    """
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def least_samples(share: float) -> int:
    """Return how many samples a percentile needs, such that one lies beyond it: 10 for p90, 100 for p99."""
    return max(1, math.ceil(1 / (1 - share) - 1e-9))


def interval_of(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval of the median of what `values` were drawn from.

    The narrowest pair of order statistics, as far from either end, that holds it with a probability of 95 %; with
    fewer than six values, their range, which holds it with 1 - 2^(1-n): 75 % for three, 94 % for five.  Nothing is
    assumed of the distribution (David and Nagaraja, Order Statistics, 7.1).
    """
    ordered = sorted(values)
    count = len(ordered)
    trimmed, outside = 0, 2 / 2**count
    while 2 * (trimmed + 1) < count:
        outside += 2 * comb(count, trimmed + 1) / 2**count
        if 1 - outside < _COVERAGE:
            break
        trimmed += 1
    return ordered[trimmed], ordered[count - 1 - trimmed]


def over_repeats(
    name: str, values: Sequence[float], *, unit: str, better: str, samples: int | None = None
) -> Measurement:
    """Return the median of the repeats' `values` with its interval; without values, a figure that is not known.

    samples: how many observations they sum up, if not one each.
    """
    if not values:
        return Measurement(name=name, unit=unit, better=better, value=None, note="was not measured")
    low, high = interval_of(values)
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return Measurement(
        name=name,
        unit=unit,
        better=better,
        value=middle,
        low=low,
        high=high,
        repeats=tuple(values),
        samples=len(values) if samples is None else samples,
    )


def percentile_over_repeats(
    name: str, share: float, repeats: Sequence[Sequence[float]], *, unit: str = "ms", better: str = "lower"
) -> Measurement:
    """Return the percentile `share` of what each of `repeats` observed.

    Where each repeat has samples enough, it is the median of the repeats' percentiles; else the percentile of all
    samples together, without an interval; and where those are too few as well, None, and a note that says so.
    """
    total, needed = sum(len(samples) for samples in repeats), least_samples(share)
    if repeats and min(len(samples) for samples in repeats) >= needed:
        values = [percentile(samples, share) for samples in repeats]
        return over_repeats(name, values, unit=unit, better=better, samples=total)
    if total >= needed:
        value = percentile([sample for samples in repeats for sample in samples], share)
        note = f"of all repeats together, as each has fewer than {needed} samples"
        return Measurement(name=name, unit=unit, better=better, value=value, samples=total, note=note)
    note = f"needs at least {needed} samples, got {total}: measure for longer"
    return Measurement(name=name, unit=unit, better=better, value=None, samples=total, note=note)
