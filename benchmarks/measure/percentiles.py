"""Percentiles and their intervals, and the number of samples that they need."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import comb

from pptsn.benchmarks.measure.results import Measurement

# An interval is to hold the true figure with at least this probability.
_COVERAGE = 0.95


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the percentile `share` (0..1) of `samples` by nearest rank: a value that occurred.

    Raises ValueError where there are none.
    """
    if not samples:
        raise ValueError("no samples")
    return sorted(samples)[max(0, math.ceil(share * len(samples) - 1e-9) - 1)]


def least_samples(share: float) -> int:
    """Return how many samples a percentile needs, such that one lies beyond it: 10 for p90, 100 for p99.

    A median is one of any.
    """
    return 1 if share <= 0.5 else math.ceil(1 / (1 - share) - 1e-9)


def interval_of(samples: Sequence[float], share: float = 0.5) -> tuple[float, float] | None:
    """Return an interval of the percentile `share` of what `samples` were drawn from, or None for too few.

    Two of the samples that hold it between them with a probability of 95 %: each end errs in at most 2.5 % of all
    cases, whatever the distribution (David and Nagaraja, Order Statistics, 7.1).  The median takes 6 samples, p90
    takes 36 and p99 takes 368.
    By hand: SciPy has the quantiles of the binomial distribution, and is 100 MB.
    """
    ordered, outside = sorted(samples), (1 - _COVERAGE) / 2
    count = len(ordered)
    if count < 1000:
        # The number of samples below the true percentile is binomial, with `share` and `count`.
        below = [comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)]
        low = bisect_right(list(accumulate(below)), outside)
        high = count + 1 - bisect_right(list(accumulate(reversed(below))), outside)
    else:  # the normal distribution is close to it
        middle, reach = count * share, 1.96 * math.sqrt(count * share * (1 - share))
        low, high = math.floor(middle - reach), math.ceil(middle + reach) + 1
    return None if low < 1 or high > count else (ordered[low - 1], ordered[high - 1])


def latency_name(share: float) -> str:
    """Return the name of the latency's percentile `share` (0..1): `latency_p99_ms`."""
    return f"latency_p{round(100 * share)}_ms"


def over_repeats(
    name: str, values: Sequence[float], *, unit: str, better: str, samples: int | None = None
) -> Measurement:
    """Return the median of the repeats' `values` with its interval; without values, a figure that is not known.

    samples: how many observations they sum up, if not one each.  With two to five values the interval is their
    range, which holds the true median with 1 - 2^(1-n): 50 % for two, 94 % for five; one value has none.
    """
    if not values:
        return Measurement(name=name, unit=unit, better=better, value=None, note="was not measured")
    low, high = interval_of(values) or ((min(values), max(values)) if len(values) > 1 else (None, None))
    return Measurement(
        name=name,
        unit=unit,
        better=better,
        value=float(statistics.median(values)),
        low=low,
        high=high,
        repeats=tuple(values),
        samples=len(values) if samples is None else samples,
    )


def percentile_over_repeats(
    name: str, share: float, repeats: Sequence[Sequence[float]], *, unit: str = "ms", better: str = "lower"
) -> Measurement:
    """Return the percentile `share` of all that was observed, with its interval.

    repeats: the observations of each repeat; those of the result are the percentiles of each that has enough for
    one.  Of too few observations in all it is None, with a note that says so; with too few for an interval, it has
    none.
    """
    samples, needed = [sample for repeat in repeats for sample in repeat], least_samples(share)
    if len(samples) < needed:
        note = f"needs at least {needed} samples, got {len(samples)}: measure for longer"
        return Measurement(name=name, unit=unit, better=better, value=None, samples=len(samples), note=note)
    low, high = interval_of(samples, share) or (None, None)
    return Measurement(
        name=name,
        unit=unit,
        better=better,
        value=percentile(samples, share),
        low=low,
        high=high,
        repeats=tuple(percentile(repeat, share) for repeat in repeats if len(repeat) >= needed),
        samples=len(samples),
    )


def median_over_repeats(
    name: str, repeats: Sequence[Sequence[float]], *, unit: str = "ms", better: str = "lower"
) -> Measurement:
    """Return the median of all that was observed, with its interval: `percentile_over_repeats` with a half."""
    return percentile_over_repeats(name, 0.5, repeats, unit=unit, better=better)
