from __future__ import annotations

from collections.abc import Iterator
from math import exp, factorial

import numpy as np
import pytest

from pptsn.benchmarks.scenarios.definitions import Observation
from pptsn.benchmarks.scenarios.pacing import Pace, warm_up
from pptsn.benchmarks.scenarios.search import highest_rate, queue_grew
from pptsn.benchmarks.scenarios.summarising import server_measurements
from pptsn.benchmarks.scenarios.system import SystemUnderTest
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


def test_the_rate_lies_between_what_was_verified_and_what_failed(system: SystemUnderTest) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 100.0), LONG, bound_ms=60, search_s=1e9)
    assert peak.failed == min(trial.rate for trial in peak.trials if not trial.held and trial.rate > peak.rate)
    assert peak.rate < peak.failed < 1.2 * peak.rate


def test_no_rate_is_tried_at_the_capacity_or_above(system: SystemUnderTest) -> None:
    peak = highest_rate(QueueDriver(10.0), system, Pace(10.0, 20.0), LONG, bound_ms=100, search_s=1e9)
    assert 19 < peak.rate < 20
    assert peak.failed == 20
    assert max(trial.rate for trial in peak.trials) < 20


def test_the_run_that_verifies_has_the_queries_that_mlperf_asks_for(system: SystemUnderTest) -> None:
    def verified(service_ms: float, bound_ms: float) -> int:
        pace = Pace(service_ms, 1000 / service_ms)
        peak = highest_rate(
            QueueDriver(service_ms), system, pace, quick_method(least_s=3.0), bound_ms=bound_ms, search_s=20
        )
        assert peak.trials[-1].check
        assert peak.rate is not None
        assert server_measurements(peak)[0].note.endswith("asks for 662") == (peak.trials[-1].queries < 662)
        return peak.trials[-1].queries

    assert verified(15.0, 150.0) == 662  # less than 25 s of them
    assert 300 < verified(50.0, 500.0) < 662  # as many as come in 25 s
    assert verified(1000.0, 9000.0) == 100
    assert verified(2.0, 20.0) > 2 * 662  # nine seconds of them


def test_a_queue_that_grows_does_not_hold_although_its_p99_does(system: SystemUnderTest) -> None:
    class Overloaded(QueueDriver):
        """Falls behind above 50 frames/s, by a twentieth of what comes too much, but ends within the bound."""

        def server(self, system: SystemUnderTest, **options):  # type: ignore[no-untyped-def]
            queries = options["queries"]
            behind_ms = 80.0 if options["rate"] > 50 else 0.0
            latencies_ms = [10 + behind_ms * n / queries for n in range(queries)]
            return Observation(queries=queries, percentiles_ms={0.99: 95.0}, latencies_ms=tuple(latencies_ms))

    peak = highest_rate(Overloaded(0.0), system, Pace(10.0, 100.0), LONG, bound_ms=100, search_s=1e9)
    assert 47 < peak.rate <= 50
    assert [trial.grew for trial in peak.trials] == [trial.rate > 50 for trial in peak.trials]


def test_a_queue_grew_where_later_queries_wait_longer_or_the_last_is_late() -> None:
    steady = [20.0, 60.0, 30.0] * 30
    assert not queue_grew(steady, 100)
    assert not queue_grew([float(n) for n in range(20, 90)], 100)
    assert queue_grew([float(n) for n in range(10, 100)], 100)
    assert queue_grew([*steady, 101.0], 100)
    assert not queue_grew([], 100)


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
    # The first trial holds, there is no time for another, and what is known is verified.
    assert [(trial.held, trial.check) for trial in peak.trials] == [(True, False), (True, True)]
    assert peak.rate == 30


def test_a_rate_that_holds_once_but_not_again_is_lowered_and_in_the_end_given_up(
    system: SystemUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptsn.benchmarks.scenarios.search._CHECKS_S", 1e9)

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
    checks = [trial for trial in lowered.trials if trial.check]
    assert checks[1].rate == pytest.approx(0.85 * checks[0].rate)  # it was far from holding
    moody.service_ms = {1: 10.0, 2: 200.0}
    given_up = highest_rate(moody, system, Pace(10.0, 100.0), LONG, bound_ms=100, search_s=1e9)
    assert given_up.rate is None
    assert "in a longer one not even at 6." in given_up.note


def test_verifying_ends_with_its_time(system: SystemUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.benchmarks.scenarios.search._CHECKS_S", 0)
    monkeypatch.setattr("pptsn.benchmarks.scenarios.search._SEARCH_SEED", 3)
    slower = {2: 20.0, 3: 10.0}

    class Moody(QueueDriver):
        def server(self, system: SystemUnderTest, **options):  # type: ignore[no-untyped-def]
            return QueueDriver(slower[options["seed"]]).server(system, **options)

    peak = highest_rate(Moody(0.0), system, Pace(10.0, 100.0), LONG, bound_ms=100, search_s=1e9)
    assert peak.rate is None
    assert [trial.check for trial in peak.trials].count(True) == 1


def test_warming_up_tells_the_pace() -> None:
    engine = SleepingEngine(0.01, batch_size=4)
    with SystemUnderTest(engine, numbered_library(4)) as system:
        pace = warm_up(system)
    assert 10 <= pace.frame_ms < 500
    assert 10 < pace.frames_per_s < 400
    assert engine.counts[:5] == [4] * 5  # full batches first: one that is not counted, then several a run
    assert engine.counts[-1] == 1
