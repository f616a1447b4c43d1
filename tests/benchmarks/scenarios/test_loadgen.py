from __future__ import annotations

import os
import platform
import signal
import sys
import threading
from pathlib import Path

import pytest

from pptsn.benchmarks.scenarios.definitions import Extent
from pptsn.benchmarks.scenarios.loadgen import LoadGenDriver, parse_summary
from pptsn.benchmarks.scenarios.measuring import new_drivers
from pptsn.benchmarks.scenarios.system import SystemFailure, SystemUnderTest
from pptsn.runtime.base.errors import MissingDependencyError
from tests.benchmarks.scenarios.fakes import SleepingEngine, numbered_library
from tools.agreement import loadgen_percentile

SUMMARY = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 91.80
Result is : INVALID
  Performance constraints satisfied : NO
  Min duration satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
 * Reduce target QPS to improve latency.

Mean latency (ns)               : 7063028
50.00 percentile latency (ns)   : 5275986
90.00 percentile latency (ns)   : 12034870
99.00 percentile latency (ns)   : 18835588
99.90 percentile latency (ns)   : 18835599
"""

# There are wheels for nothing else; where there are, its absence is a failure.
needs_loadgen = pytest.mark.skipif(
    platform.machine() != "x86_64" or sys.version_info < (3, 11), reason="LoadGen has no wheel for this Python"
)


def test_the_summary_is_read() -> None:
    summary = parse_summary(SUMMARY)
    assert summary.percentiles_ms == {0.5: 5.275986, 0.9: 12.03487, 0.99: 18.835588}
    assert summary.frames_per_s is None
    assert summary.validity == "INVALID (not satisfied: performance constraints, early stopping)"
    offline = parse_summary(
        SUMMARY.replace("Completed samples per second    : 91.80", "Samples per second: 194.365")
    )
    assert offline.frames_per_s == 194.365


@pytest.mark.parametrize(
    "text", ["", SUMMARY.replace("Result is", "Result was"), SUMMARY.replace("90.00 p", "91.00 p")]
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no summary of LoadGen"):
        parse_summary(text)


def test_a_missing_loadgen_is_told_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    for name in ("loadgen", "both"):
        with pytest.raises(MissingDependencyError, match=r"pip install 'pptsn\[bench\]', or use --driver own"):
            new_drivers(name)
    assert [driver.name for driver in new_drivers("auto")] == ["own"]


@needs_loadgen
def test_auto_takes_loadgen_where_it_is_installed() -> None:
    assert [driver.name for driver in new_drivers("auto")] == ["loadgen"]
    assert [driver.name for driver in new_drivers("both")] == ["own", "loadgen"]


@needs_loadgen
def test_loadgen_drives_every_scenario_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    # LoadGen would take settings from a file of this name.
    (tmp_path / "audit.config").write_text("*.*.min_query_count = 77\n*.*.max_query_count = 77\n")
    engine, driver = SleepingEngine(0.002, batch_size=4), LoadGenDriver()
    with SystemUnderTest(engine, numbered_library(8)) as system:
        extent = Extent(least_s=0.0, least_queries=15, most_s=9.0)
        single = driver.stream(system, frames_a_query=1, extent=extent, expected_ms=2.0)
        assert sum(engine.counts) == single.queries == 15
        engine.calls.clear()
        multi = driver.stream(system, frames_a_query=8, extent=extent, expected_ms=4.0)
        assert (sum(engine.counts), multi.queries) == (8 * 15, 15)
        engine.calls.clear()
        server = driver.server(system, rate=400, queries=120, bound_ms=50, seed=1)
        assert sum(engine.counts) == server.queries == 120
        engine.calls.clear()
        offline = driver.offline(system, frames=100, expected_s=0.04)
        assert engine.counts == [4] * 25
    assert single.percentiles_ms[0.5] >= 2
    assert multi.percentiles_ms[0.5] >= 4  # of the query, not of its frames
    assert server.percentiles_ms[0.99] >= server.percentiles_ms[0.5] >= 2
    assert offline.frames_per_s is not None
    assert 0 < offline.frames_per_s < 4 / 0.002
    assert offline.percentiles_ms == {}
    assert offline.facts["validity"] == "VALID"
    assert "LoadGen" in offline.facts["source"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["audit.config", "temporary"]


@needs_loadgen
def test_an_engine_that_fails_under_loadgen_ends_the_run_with_its_error() -> None:
    extent = Extent(least_s=0.1, least_queries=50, most_s=1.0)
    with (
        SystemUnderTest(SleepingEngine(0.001, fail_at=5), numbered_library(8)) as system,
        pytest.raises(SystemFailure, match="the device is gone"),
    ):
        LoadGenDriver().stream(system, frames_a_query=8, extent=extent, expected_ms=1.0)


@needs_loadgen
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_loadgen() -> None:
    with SystemUnderTest(SleepingEngine(0.01), numbered_library(8)) as system:
        extent = Extent(least_s=0.1, least_queries=1000, most_s=60.0)
        interrupt = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            LoadGenDriver().stream(system, frames_a_query=1, extent=extent, expected_ms=10.0)
        interrupt.join()
    assert not [thread for thread in threading.enumerate() if thread.name == "loadgen"]


@needs_loadgen
def test_loadgen_and_our_clock_tell_the_same_of_the_same_queries() -> None:
    # They read their clocks one after the other, so that a busy machine may come between, but not every time.
    extent = Extent(least_s=0.0, least_queries=30, most_s=20.0)
    ratios = []
    with SystemUnderTest(SleepingEngine(0.01, batch_size=4), numbered_library(8)) as system:
        while len(ratios) < 5 and ratios[-1:] != [pytest.approx([1, 1, 1, 1], rel=0.03)]:
            found = LoadGenDriver().stream(system, frames_a_query=8, extent=extent, expected_ms=20.0)
            assert (len(found.clocked_ms), found.frames) == (30, 240)
            offline = LoadGenDriver().offline(system, frames=60, expected_s=0.15)
            assert offline.frames == 60
            server = LoadGenDriver().server(system, rate=200, queries=120, bound_ms=50, seed=1)
            assert len(server.clocked_ms) == 120
            assert 120 < server.arrivals_per_s < 300
            ratios.append(
                [
                    *(found.percentiles_ms[s] / loadgen_percentile(found.clocked_ms, s) for s in (0.5, 0.9)),
                    offline.frames_per_s / (1000 * 60 / offline.clocked_ms[0]),
                    server.percentiles_ms[0.5] / loadgen_percentile(server.clocked_ms, 0.5),
                ]
            )
    assert ratios[-1] == pytest.approx([1, 1, 1, 1], rel=0.03)
