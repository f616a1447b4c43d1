from __future__ import annotations

from collections.abc import Iterator
from math import exp, factorial

import numpy as np
import pytest

from benchmarks.scenarios.pacing import Pace, warm_up
from benchmarks.scenarios.search import highest_rate
from benchmarks.scenarios.system import SystemUnderTest
from tests.benchmarks.scenarios.fakes import QueueDriver, SleepingEngine, numbered_library, quick_method

# Long runs, whose percentiles do not depend on their seed much; they are computed, so that they take no time.
LONG = quick_method(least_s=200.0)


@pytest.fixture
def system() -> Iterator[SystemUnderTest]:
    with SystemUnderTest(SleepingEngine(), numbered_library(4)) as opened:
        yield opened


def capacity_share(bound: float) -> float:
    """Return the highest load (0..1) at which 99 of 100 are answered within `bound` service times.

    By Erlang's distribution of the wait in a queue with Poisson arrivals and a constant service time (1909).
    """

    def answered_in_time(load: float) -> float:
        wait = bound - 1
        terms = ((load * (k - wait)) ** k / factorial(k) * exp(-load * (k - wait)) for k in range(int(wait) + 1))
        return (1 - load) * sum(terms)

    return max(load for load in np.arange(0.01, 1, 0.01) if answered_in_time(load) >= 0.99)


@pytest.mark.parametrize("bound_ms", [30, 50, 100])
def test_the_search_finds_the_highest_rate_that_holds_the_bound(system: SystemUnderTest, bound_ms: float) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 100.0), LONG, bound_ms=bound_ms, search_s=1e9)
    assert peak.rate == pytest.approx(100 * capacity_share(bound_ms / 10), rel=0.08)
    assert peak.observation is not None
    assert peak.observation.percentiles_ms[0.99] <= bound_ms


def test_the_rate_reported_is_that_of_a_run_that_held_it(system: SystemUnderTest) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 100.0), LONG, bound_ms=60, search_s=1e9)
    last = peak.trials[-1]
    assert (last.held, last.rate) == (True, peak.rate)
    assert last.p99_ms == peak.observation.percentiles_ms[0.99]
    assert all(trial.rate > peak.rate * 0.99 for trial in peak.trials if not trial.held)
    assert min(trial.queries for trial in peak.trials) >= 100


def test_a_capacity_that_was_underestimated_is_searched_above(system: SystemUnderTest) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 20.0), LONG, bound_ms=100, search_s=1e9)
    assert peak.rate == pytest.approx(100 * capacity_share(10), rel=0.08)


def test_a_bound_below_one_frames_time_is_refused_without_a_run(system: SystemUnderTest) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 100.0), LONG, bound_ms=8, search_s=1e9)
    assert (peak.rate, peak.observation, peak.trials) == (None, None, ())
    assert peak.note == "one frame alone takes 10.0 ms, more than the bound of 8 ms"


def test_a_bound_that_no_rate_holds_is_said(system: SystemUnderTest) -> None:
    # A frame seemed to take 1 ms when it was warmed up, and takes 10 ms.
    peak = highest_rate(QueueDriver(10.0), system, Pace(1.0, 100.0), LONG, bound_ms=8, search_s=1e9)
    assert peak.rate is None
    assert "p99 exceeds 8 ms even at" in peak.note
    assert not any(trial.held for trial in peak.trials)


def test_the_search_ends_with_its_time(system: SystemUnderTest) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 60.0), LONG, bound_ms=1000, search_s=0)
    # The first trial holds, the doubled one does not, and there is no time for one between.
    assert [trial.held for trial in peak.trials] == [True, False, True]
    assert peak.rate == pytest.approx(72)


def test_a_rate_that_holds_once_but_not_again_is_lowered_and_in_the_end_given_up(system: SystemUnderTest) -> None:
    class Moody(QueueDriver):
        """Is slower for the arrivals that verify."""

        def server(self, system: SystemUnderTest, **options):  # type: ignore[no-untyped-def]
            service_ms = self.service_ms[options["seed"]]
            return QueueDriver(service_ms).server(system, **options)

    moody = Moody(0.0)
    moody.service_ms = {1: 10.0, 2: 11.0}
    lowered = highest_rate(moody, system, Pace(10.0, 100.0), LONG, bound_ms=100, search_s=1e9)
    assert lowered.rate == pytest.approx(100 / 1.1 * capacity_share(100 / 11), rel=0.1)
    assert [trial.held for trial in lowered.trials[-3:]][-2:] == [False, True]
    moody.service_ms = {1: 10.0, 2: 200.0}
    given_up = highest_rate(moody, system, Pace(10.0, 100.0), LONG, bound_ms=100, search_s=1e9)
    assert given_up.rate is None
    assert "but not again" in given_up.note


def test_warming_up_tells_the_pace() -> None:
    engine = SleepingEngine(0.01, batch_size=4)
    with SystemUnderTest(engine, numbered_library(4)) as system:
        pace = warm_up(system)
    assert 10 <= pace.frame_ms < 30
    assert 100 < pace.frames_per_s < 400
    assert engine.counts[:2] == [4, 4]  # full batches first: one that is not counted, then those that are
    assert engine.counts[-1] == 1
