"""Server's figure: the highest rate of arrivals whose p99 latency stays within a bound.

A short run tells little of it: of a hundred queries one alone decides the p99, and a queue that grows slowly has
no time to be seen.  So short runs only find where to look, and a long one, of other arrivals, has to hold.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.percentiles import least_samples, percentile
from pptsn.benchmarks.scenarios.definitions import SERVER, TARGET_SHARE, Driver, Observation
from pptsn.benchmarks.scenarios.pacing import Pace
from pptsn.benchmarks.scenarios.system import SystemUnderTest

_SHARE = TARGET_SHARE[SERVER]
# Arrivals of the search, and others for the run that verifies what it found.
_SEARCH_SEED, _CHECK_SEED = 1, 2
# The search ends when it knows the rate to this share, or that it is below this share of the capacity.
_PRECISION = 0.04
_LOWEST_SHARE = 1 / 16
# Of an overload of a tenth, the last query of such a run waits for the whole bound.
_BOUNDS_A_RUN = 10
# What MLPerf asks of a p99 at least, at a confidence of 99 % (inference_rules.adoc, Early Stopping Criterion).
MLPERF_QUERIES = 662
# The run that verifies has these queries where they come in this time, and is so many times longer than others.
_CHECK_S = 25.0
_CHECK_TIMES = 3
# A rate that does not hold is lowered by the first share; by the second where it was far from holding.
_STEP_DOWN, _LEAP_DOWN = 0.05, 0.15
# The search is given this long, of which no run takes more than a part; verifying again and again, so long.
SEARCH_S = 20.0
_RUNS_OF_SEARCH = 4
_CHECKS_S = 55.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run at one rate.

    p99_ms: None where it was ended early, as the bound could no longer be held.  grew: whether the queue did.
    check: whether it was to verify a rate.
    """

    rate: float
    queries: int
    p99_ms: float | None
    grew: bool
    held: bool
    check: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of its JSON object."""
        return {
            "frames_per_s": self.rate,
            "queries": self.queries,
            "p99_ms": self.p99_ms,
            "queue_grew": self.grew,
            "held": self.held,
            "check": self.check,
        }


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What the search found.

    rate: frames a second, None where none held; `note` then says why.  failed: the lowest rate above it that did
    not hold, or the system's capacity.  observation: of the run that verified it.  trials: all runs, in order.
    """

    rate: float | None = None
    failed: float | None = None
    observation: Observation | None = None
    trials: tuple[Trial, ...] = ()
    note: str = ""


def highest_rate(
    driver: Driver,
    system: SystemUnderTest,
    pace: Pace,
    method: Method,
    *,
    bound_ms: float,
    search_s: float = SEARCH_S,
) -> Peak:
    """Search by halving below what the system does offline, and verify the result on other arrivals.

    At that rate and above, the queue grows without end, whatever a short run shows.

    Each run of the search lasts `method.least_s`, and where there is time ten times the bound and 100 queries.
    The one that verifies lasts three times `method.least_s`, and has the 662 queries that MLPerf asks for, or as
    many as come in 25 s, at least 100.  A rate holds where the p99 is within the bound and the queue did not grow;
    else a lower one is verified, for about 55 s in all.

    search_s: after this the search goes no further; what it knows by then is verified.
    """
    if pace.frame_ms > bound_ms:
        note = f"one frame alone takes {pace.frame_ms:.1f} ms, more than the bound of {bound_ms:g} ms"
        return Peak(note=note)
    search = _Search(driver, system, method, bound_ms=bound_ms, search_s=search_s)
    method.watch.look()
    low, high = _bracket(search, pace.frames_per_s, search_s)
    method.watch.look()
    if not low:
        note = f"p99 exceeds {bound_ms:g} ms even at {high:.3g} frames/s, the lowest rate tried"
        return Peak(trials=tuple(search.trials), note=note)
    return _verified(search, low, pace.frames_per_s)


def queue_grew(latencies_ms: Sequence[float], bound_ms: float) -> bool:
    """Whether `latencies_ms`, in the order of the arrivals, tell of a queue that grew all the time.

    So it is where the median of the last third is above that of the first by more than half the bound, or where
    the last query of all came after the bound.
    """
    third = len(latencies_ms) // 3
    if not third:
        return False
    growth_ms = percentile(latencies_ms[-third:], 0.5) - percentile(latencies_ms[:third], 0.5)
    return growth_ms > bound_ms / 2 or latencies_ms[-1] > bound_ms


class _Search:
    """Makes trials and remembers them."""

    def __init__(
        self, driver: Driver, system: SystemUnderTest, method: Method, *, bound_ms: float, search_s: float
    ) -> None:
        self._driver = driver
        self._system = system
        self._least_s = method.least_s
        self._longest_s = search_s / _RUNS_OF_SEARCH
        self.bound_ms = bound_ms
        self.trials: list[Trial] = []

    def queries_at(self, rate: float) -> int:
        """Return the queries of a run of the search."""
        wanted_s = max(_BOUNDS_A_RUN * self.bound_ms / 1000, least_samples(_SHARE) / rate)
        return math.ceil(rate * max(self._least_s, min(wanted_s, self._longest_s)))

    def checked_queries_at(self, rate: float) -> int:
        """Return the queries of a run that verifies."""
        in_time = min(MLPERF_QUERIES, math.floor(rate * _CHECK_S))
        return max(least_samples(_SHARE), in_time, math.ceil(rate * _CHECK_TIMES * self._least_s))

    def run(self, rate: float) -> bool:
        """Whether `rate` holds in a run of the search."""
        trial, _ = self._run(rate, self.queries_at(rate), check=False)
        return trial.held

    def check(self, rate: float) -> tuple[Trial, Observation]:
        """Return the run that verifies `rate`."""
        return self._run(rate, self.checked_queries_at(rate), check=True)

    def _run(self, rate: float, queries: int, *, check: bool) -> tuple[Trial, Observation]:
        seed = _CHECK_SEED if check else _SEARCH_SEED
        found = self._driver.server(self._system, rate=rate, queries=queries, bound_ms=self.bound_ms, seed=seed)
        p99_ms = found.percentiles_ms[_SHARE] if found.finished else None
        grew = queue_grew(found.latencies_ms or found.clocked_ms, self.bound_ms)
        held = p99_ms is not None and p99_ms <= self.bound_ms and not grew
        trial = Trial(rate=rate, queries=found.queries, p99_ms=p99_ms, grew=grew, held=held, check=check)
        self.trials.append(trial)
        return trial, found

    def lowest_failed(self, above: float, *, capacity: float) -> float:
        """Return the lowest rate above `above` that did not hold, or the capacity."""
        failed = [trial.rate for trial in self.trials if not trial.held and trial.rate > above]
        return min([*failed, max(capacity, above)])


def _bracket(search: _Search, capacity: float, search_s: float) -> tuple[float, float]:
    """Return a rate that held, 0 without one, and one that did not or is the capacity."""
    deadline_s = time.perf_counter() + search_s
    low, high = 0.0, capacity
    while high - low > _PRECISION * high and high > _LOWEST_SHARE * capacity:
        middle = (low + high) / 2
        if search.trials and time.perf_counter() + search.queries_at(middle) / middle > deadline_s:
            break
        if search.run(middle):
            low = middle
        else:
            high = middle
    return low, high


def _verified(search: _Search, rate: float, capacity: float) -> Peak:
    """Verify `rate`, and lower ones until one holds or the time is over; the first is tried in any case."""
    deadline_s = time.perf_counter() + _CHECKS_S
    lowered, lowest = rate, _LOWEST_SHARE * capacity
    while True:
        trial, observation = search.check(lowered)
        if trial.held:
            failed = search.lowest_failed(lowered, capacity=capacity)
            return Peak(rate=lowered, failed=failed, observation=observation, trials=tuple(search.trials))
        lowered *= 1 - (_LEAP_DOWN if _is_far_off(trial, search) else _STEP_DOWN)
        if lowered < lowest or time.perf_counter() + search.checked_queries_at(lowered) / lowered > deadline_s:
            break
    note = (
        f"p99 stayed within {search.bound_ms:g} ms at {rate:.3g} frames/s in a short run, but in a longer one not "
        f"even at {trial.rate:.3g}: measure on a quiet machine"
    )
    return Peak(trials=tuple(search.trials), note=note)


def _is_far_off(trial: Trial, search: _Search) -> bool:
    """Whether the run was given up in its first half, or missed the bound by half of it."""
    if trial.p99_ms is None:
        return trial.queries < search.checked_queries_at(trial.rate) / 2
    return trial.p99_ms > 1.5 * search.bound_ms
