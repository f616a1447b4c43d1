"""Our own driver: MLPerf's traffic patterns in Python, for platforms that LoadGen has no wheels for."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pptsn.benchmarks.measure.percentiles import percentile
from pptsn.benchmarks.scenarios.definitions import (
    OWN,
    SERVER,
    SHARES,
    TARGET_SHARE,
    Extent,
    Observation,
    arrival_rate,
)
from pptsn.benchmarks.scenarios.system import Sample, SystemUnderTest

# The rules ask for random samples, with replacement, by a fixed seed.
_SEED = 0
# How often the driver of Server looks whether the bound can still be held.
_GLANCE_S = 0.25
# Between drawing the arrivals and the first of them.
_HEAD_START_S = 0.002


class OwnDriver:
    """Sends queries from the calling thread; see `Driver`."""

    name = OWN

    def stream(
        self, system: SystemUnderTest, *, frames_a_query: int, extent: Extent, expected_ms: float
    ) -> Observation:
        """See `Driver.stream`.  The time of a query runs until its last frame is done."""
        chooser = np.random.default_rng(_SEED)
        latencies_ms: list[float] = []
        begun_s = time.perf_counter()
        while _goes_on(extent, len(latencies_ms), time.perf_counter() - begun_s):
            latencies_ms.append(1000 * _query_s(system, _choose(chooser, frames_a_query, system)))
        return _observation(latencies_ms, frames=frames_a_query * len(latencies_ms))

    def server(
        self, system: SystemUnderTest, *, rate: float, queries: int, bound_ms: float, seed: int
    ) -> Observation:
        """See `Driver.server`.  The time of a query runs from when it was due, even where it was sent late.

        Ends early, without waiting for the rest, once so many queries took longer than the bound that the
        percentile cannot hold it any more.
        """
        due_s = poisson_times(rate, queries, seed=seed)
        samples = _choose(np.random.default_rng(_SEED), queries, system)
        arrivals = _Arrivals(queries)
        due_s += time.perf_counter() + _HEAD_START_S
        verdict = _Verdict(due_s, bound_ms)
        for sample in samples:
            _sleep_until(float(due_s[sample.id]))
            system.issue([sample], arrivals.completed)
            if verdict.is_hopeless(arrivals, sample.id + 1):
                break
        else:
            while not arrivals.wait(_GLANCE_S) and not verdict.is_hopeless(arrivals, queries):
                pass
        finished = arrivals.wait(0)
        if not finished:
            system.discard()
        system.check()
        times_ms = 1000 * (arrivals.done_s - due_s)
        latencies_ms = times_ms[~np.isnan(times_ms)].tolist()
        observation = _observation(latencies_ms, frames=len(latencies_ms), finished=finished)
        return replace(observation, arrivals_per_s=arrival_rate(due_s.tolist()))

    def offline(self, system: SystemUnderTest, *, frames: int, expected_s: float) -> Observation:
        """See `Driver.offline`."""
        samples = _choose(np.random.default_rng(_SEED), frames, system)
        return Observation(queries=1, frames=frames, frames_per_s=frames / _query_s(system, samples))


def poisson_times(rate: float, count: int, *, seed: int) -> npt.NDArray[np.float64]:
    """Return the seconds (count,) at which a Poisson process of `rate` a second has its arrivals, the first at 0.

    The same seed gives the same times but for their scale, so that trials at two rates differ by the rate alone.
    """
    gaps = np.random.default_rng(seed).exponential(1.0, count - 1)
    return np.concatenate([[0.0], np.cumsum(gaps)]) / rate


class _Arrivals:
    """Gathers when each of `expected` samples was done: `done_s`, by id, NaN until then.

    Samples are completed by one thread, and another one waits for all of them.
    """

    def __init__(self, expected: int) -> None:
        self.done_s = np.full(expected, np.nan)
        self._missing = expected
        self._all = threading.Event()

    def completed(self, sample: int, at_s: float) -> None:
        self.done_s[sample] = at_s
        self._missing -= 1
        if not self._missing:
            self._all.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for all samples; False where they had not come after `timeout_s`."""
        return self._all.wait(timeout_s)


def _query_s(system: SystemUnderTest, samples: list[Sample]) -> float:
    """Return the seconds from sending `samples` until the last of them is done."""
    arrivals = _Arrivals(len(samples))
    started_s = time.perf_counter()
    system.issue(samples, arrivals.completed)
    arrivals.wait()
    system.check()
    return float(arrivals.done_s.max()) - started_s


class _Verdict:
    """Whether a server run can still hold its bound: at most one query in a hundred may take longer.

    due_s: when each query is due.
    """

    def __init__(self, due_s: npt.NDArray[np.float64], bound_ms: float) -> None:
        self._due_s = due_s
        self._allowed = len(due_s) - math.ceil(TARGET_SHARE[SERVER] * len(due_s) - 1e-9)
        self._bound_s = bound_ms / 1000
        self._looked_s = 0.0

    def is_hopeless(self, arrivals: _Arrivals, sent: int) -> bool:
        """Count the late ones of the first `sent` queries, done or not.

        Looks at most four times a second, so that it does not disturb what it watches.
        """
        now_s = time.perf_counter()
        if now_s - self._looked_s < _GLANCE_S:
            return False
        self._looked_s = now_s
        done_s = np.nan_to_num(arrivals.done_s[:sent], nan=now_s)
        return int((done_s - self._due_s[:sent] > self._bound_s).sum()) > self._allowed


def _goes_on(extent: Extent, queries: int, past_s: float) -> bool:
    if past_s >= extent.most_s:
        return queries == 0
    return past_s < extent.least_s or queries < extent.least_queries


def _choose(chooser: np.random.Generator, count: int, system: SystemUnderTest) -> list[Sample]:
    return [Sample(key, int(i)) for key, i in enumerate(chooser.integers(len(system.library), size=count))]


def _sleep_until(moment_s: float) -> None:
    while (left_s := moment_s - time.perf_counter()) > 0:
        time.sleep(left_s)


def _observation(latencies_ms: list[float], *, frames: int, finished: bool = True) -> Observation:
    percentiles_ms = {share: percentile(latencies_ms, share) for share in SHARES} if latencies_ms else {}
    return Observation(
        queries=len(latencies_ms),
        percentiles_ms=percentiles_ms,
        latencies_ms=tuple(latencies_ms),
        frames=frames,
        finished=finished,
    )
