from __future__ import annotations

import time

import numpy as np
import pytest

from pptsn.benchmarks.scenarios.definitions import Extent
from pptsn.benchmarks.scenarios.own import OwnDriver, poisson_times
from pptsn.benchmarks.scenarios.system import SystemFailure, SystemUnderTest
from tests.benchmarks.scenarios.fakes import SleepingEngine, numbered_library


def test_poisson_arrivals_are_seeded_and_have_the_rate_and_spread_asked_for() -> None:
    times = poisson_times(50.0, 20_000, seed=3)
    gaps = np.diff(times)
    assert times[0] == 0
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.05)  # of an exponential distribution: its mean
    assert np.array_equal(times, poisson_times(50.0, 20_000, seed=3))
    assert not np.array_equal(times, poisson_times(50.0, 20_000, seed=4))
    assert poisson_times(100.0, 20_000, seed=3) == pytest.approx(times / 2)


def test_single_stream_takes_the_time_of_one_call() -> None:
    engine = SleepingEngine(0.01)
    with SystemUnderTest(engine, numbered_library(8)) as system:
        extent = Extent(least_s=0.0, least_queries=20, most_s=10.0)
        found = OwnDriver().stream(system, frames_a_query=1, extent=extent, expected_ms=10.0)
    assert engine.counts == [1] * 20
    assert found.queries == len(found.latencies_ms) == 20
    assert min(found.latencies_ms) >= 10
    assert 10 <= found.percentiles_ms[0.5] < 20


def test_a_query_of_multi_stream_lasts_until_its_last_frame_is_done() -> None:
    engine = SleepingEngine(0.01, batch_size=4)
    with SystemUnderTest(engine, numbered_library(8)) as system:
        extent = Extent(least_s=0.0, least_queries=5, most_s=10.0)
        found = OwnDriver().stream(system, frames_a_query=8, extent=extent, expected_ms=20.0)
    assert engine.counts == [4, 4] * 5
    assert min(found.latencies_ms) >= 20


def test_a_stream_lasts_as_long_as_asked_and_ends_when_it_must() -> None:
    with SystemUnderTest(SleepingEngine(0.01), numbered_library(8)) as system:
        driver = OwnDriver()
        longer = driver.stream(
            system, frames_a_query=1, extent=Extent(least_s=0.2, least_queries=1, most_s=9.0), expected_ms=10.0
        )
        cut = driver.stream(
            system, frames_a_query=1, extent=Extent(least_s=0.0, least_queries=999, most_s=0.1), expected_ms=10.0
        )
    assert sum(longer.latencies_ms) >= 180
    assert 1 <= cut.queries <= 10


def test_offline_is_limited_by_the_engine_at_full_batches() -> None:
    engine = SleepingEngine(0.02, batch_size=4)
    with SystemUnderTest(engine, numbered_library(8)) as system:
        found = OwnDriver().offline(system, frames=40, expected_s=0.2)
    assert engine.counts == [4] * 10
    assert found.frames_per_s is not None
    assert 0.5 * 4 / 0.02 < found.frames_per_s < 4 / 0.02


def test_server_latency_runs_from_when_a_query_was_due() -> None:
    with SystemUnderTest(SleepingEngine(0.01, batch_size=1), numbered_library(8)) as system:
        found = OwnDriver().server(system, rate=1e6, queries=20, bound_ms=1e6, seed=0)
    assert found.finished
    assert found.queries == 20
    # All arrive in the first instant, so that the last of them waits for the nineteen before it.
    assert max(found.latencies_ms) >= 200
    assert np.diff(found.latencies_ms).min() >= 9


def test_server_queries_are_sent_when_they_are_due() -> None:
    engine = SleepingEngine(0.001, batch_size=1)
    with SystemUnderTest(engine, numbered_library(8)) as system:
        started_s = time.perf_counter()
        found = OwnDriver().server(system, rate=100, queries=20, bound_ms=1e6, seed=0)
        took_s = time.perf_counter() - started_s
    assert took_s >= poisson_times(100, 20, seed=0)[-1]
    assert min(found.latencies_ms) >= 1
    assert found.percentiles_ms[0.5] < 50  # rather than the whole run's 200 ms


def test_a_server_run_without_hope_ends_early_and_leaves_nothing_behind() -> None:
    engine = SleepingEngine(0.02, batch_size=1)
    with SystemUnderTest(engine, numbered_library(8)) as system:
        started_s = time.perf_counter()
        found = OwnDriver().server(system, rate=1000, queries=500, bound_ms=50, seed=0)
        took_s = time.perf_counter() - started_s
        calls = len(engine.calls)
        time.sleep(0.05)
    assert not found.finished
    assert took_s < 5  # rather than ten seconds
    assert len(engine.calls) == calls


@pytest.mark.parametrize("scenario", ["stream", "server", "offline"])
def test_an_engine_that_fails_ends_the_run_with_its_error(scenario: str) -> None:
    driver = OwnDriver()
    with (
        SystemUnderTest(SleepingEngine(0.001, batch_size=2, fail_at=3), numbered_library(8)) as system,
        pytest.raises(SystemFailure, match="the device is gone"),
    ):
        if scenario == "stream":
            extent = Extent(least_s=0.0, least_queries=99, most_s=9.0)
            driver.stream(system, frames_a_query=1, extent=extent, expected_ms=1.0)
        elif scenario == "server":
            driver.server(system, rate=500, queries=100, bound_ms=50, seed=0)
        else:
            driver.offline(system, frames=100, expected_s=0.1)
