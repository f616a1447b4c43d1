"""Server's figure: the highest rate of arrivals whose p99 latency stays within a bound."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.method import Method
from benchmarks.percentiles import least_samples
from benchmarks.scenarios.definitions import SERVER, TARGET_SHARE, Driver, Observation
from benchmarks.scenarios.pacing import Pace
from benchmarks.scenarios.system import SystemUnderTest

_SHARE = TARGET_SHARE[SERVER]
# Arrivals of the search, and others for the run that verifies what it found.
_SEARCH_SEED, _CHECK_SEED = 1, 2
# The search begins above what the system does offline, and ends when it knows the rate to this share.
_FIRST_SHARE = 1.2
_PRECISION = 0.04
_LOWEST_SHARE = 1 / 16
# Of an overload of a tenth, the last query of such a run waits for the whole bound.
_BOUNDS_A_RUN = 10
# A rate that does not hold when it is verified is lowered by this share, so many times.
_STEP_DOWN = 0.05
_MOST_CHECKS = 6
# The search is given this long; verifying comes on top.
SEARCH_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run at one rate.  p99_ms: None where it was ended early, as the bound could no longer be held."""

    rate: float
    queries: int
    p99_ms: float | None
    held: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of its JSON object."""
        return {"frames_per_s": self.rate, "queries": self.queries, "p99_ms": self.p99_ms, "held": self.held}


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What the search found.

    rate: frames a second, None where none held; `note` then says why.  observation: of the run that verified it.
    trials: all runs, in their order.
    """

    rate: float | None = None
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
    """Search by halving, over the same arrivals at different rates, and verify the result on other arrivals.

    Each run has at least 100 queries, and lasts `method.least_s` and ten times the bound: in a shorter one a
    queue that grows would not be noticed.  The rules verify in the same way, but for longer.  search_s: after
    this the search goes no further; what it knows by then is verified.
    """
    if pace.frame_ms > bound_ms:
        note = f"one frame alone takes {pace.frame_ms:.1f} ms, more than the bound of {bound_ms:g} ms"
        return Peak(note=note)
    search = _Search(driver, system, method, bound_ms)
    method.watch.look()
    low, high = _bracket(search, pace.frames_per_s, search_s)
    method.watch.look()
    if not low:
        note = f"p99 exceeds {bound_ms:g} ms even at {high:.3g} frames/s, the lowest rate tried"
        return Peak(trials=tuple(search.trials), note=note)
    return _verified(search, low, bound_ms)


class _Search:
    """Makes trials and remembers them."""

    def __init__(self, driver: Driver, system: SystemUnderTest, method: Method, bound_ms: float) -> None:
        self._driver = driver
        self._system = system
        self._method = method
        self._bound_ms = bound_ms
        self.trials: list[Trial] = []

    def queries_at(self, rate: float) -> int:
        least_s = max(self._method.least_s, _BOUNDS_A_RUN * self._bound_ms / 1000)
        return max(least_samples(_SHARE), math.ceil(rate * least_s))

    def run(self, rate: float, *, seed: int) -> Observation | None:
        """Return the observation of a run that held the bound, or None."""
        queries = self.queries_at(rate)
        observation = self._driver.server(
            self._system, rate=rate, queries=queries, bound_ms=self._bound_ms, seed=seed
        )
        p99_ms = observation.percentiles_ms[_SHARE] if observation.finished else None
        held = p99_ms is not None and p99_ms <= self._bound_ms
        self.trials.append(Trial(rate=rate, queries=observation.queries, p99_ms=p99_ms, held=held))
        return observation if held else None


def _bracket(search: _Search, frames_per_s: float, search_s: float) -> tuple[float, float]:
    """Return a rate that held, 0 without one, and the lowest that did not."""
    deadline_s = time.perf_counter() + search_s
    low, high = 0.0, _FIRST_SHARE * frames_per_s
    while search.run(high, seed=_SEARCH_SEED) is not None:
        low, high = high, 2 * high
    while high - low > _PRECISION * high and high > _LOWEST_SHARE * frames_per_s:
        middle = (low + high) / 2
        if time.perf_counter() + search.queries_at(middle) / middle > deadline_s:
            break
        if search.run(middle, seed=_SEARCH_SEED) is None:
            high = middle
        else:
            low = middle
    return low, high


def _verified(search: _Search, rate: float, bound_ms: float) -> Peak:
    for check in range(_MOST_CHECKS):
        lowered = rate * (1 - _STEP_DOWN) ** check
        observation = search.run(lowered, seed=_CHECK_SEED)
        if observation is not None:
            return Peak(rate=lowered, observation=observation, trials=tuple(search.trials))
    note = f"p99 stayed within {bound_ms:g} ms at {rate:.3g} frames/s, but not again: measure on a quiet machine"
    return Peak(trials=tuple(search.trials), note=note)
