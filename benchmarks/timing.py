"""Comparing times on a machine that others use too: interleaved, repeated, by their median."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(candidates: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, list[float]]:
    """Return the milliseconds of each repeat of each candidate.

    Each candidate runs once unmeasured, to warm up.  Then all run in turn, in every repeat in the opposite
    order, so that what slows the machine down for a while slows all of them.
    """
    for run in candidates.values():
        run()
    times_ms: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(repeats):
        names = list(candidates)
        for name in names if repeat % 2 == 0 else reversed(names):
            started_s = time.perf_counter()
            candidates[name]()
            times_ms[name].append(1000 * (time.perf_counter() - started_s))
    return times_ms


def median_ratio(times_ms: Mapping[str, list[float]], name: str, base: str) -> float:
    """Return the median over repeats of `name`'s time divided by `base`'s time in the same repeat."""
    return statistics.median(a / b for a, b in zip(times_ms[name], times_ms[base], strict=True))
