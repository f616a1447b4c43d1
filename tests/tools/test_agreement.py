from __future__ import annotations

import pytest

from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.scenarios.definitions import Observation
from pptsn.benchmarks.scenarios.measuring import Case
from tests.benchmarks.scenarios.fakes import SleepingEngine, numbered_library, quick_method
from tests.benchmarks.scenarios.test_loadgen import needs_loadgen
from tools.agreement import (
    loadgen_percentile,
    measure_agreement,
    ratio_measurement,
    same_queries_measurement,
    verdict_of,
)


def told(p90_ms: float, *clocked_ms: float) -> Observation:
    return Observation(queries=10, percentiles_ms={0.9: p90_ms}, clocked_ms=clocked_ms)


def own(*latencies_ms: float) -> Observation:
    return Observation(queries=len(latencies_ms), latencies_ms=latencies_ms)


def test_a_percentile_of_loadgens_is_one_rank_above_nearest_rank() -> None:
    assert loadgen_percentile([3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], 0.9) == 10
    assert loadgen_percentile([float(n) for n in range(100)], 0.9) == 90
    assert loadgen_percentile([1.0], 0.9) == 1


def test_the_ratio_is_of_repeats_side_by_side_and_by_loadgens_rank() -> None:
    ratio = ratio_measurement(
        "single-stream", [own(1.0, 2.0), own(1.0, 20.0), own(1.0, 2.2)], [told(2.0), told(20.0), told(2.0)]
    )
    assert ratio.value == 1.0
    assert (ratio.low, ratio.high) == (1.0, pytest.approx(1.1))


def test_the_same_queries_are_compared_by_both_clocks() -> None:
    ratio = same_queries_measurement("single-stream", [told(2.0, 1.0, 2.02), told(4.0, 4.0, 4.0)])
    assert ratio.name == "same_queries_p90_times"
    assert ratio.repeats == pytest.approx((1.01, 1.0))
    offline = Observation(queries=1, frames=50, frames_per_s=100.0, clocked_ms=(505.0,))
    assert same_queries_measurement("offline", [offline]).value == pytest.approx(1 / 1.01)


@pytest.mark.parametrize(
    ("repeats", "verdict"),
    [
        ((0.99, 1.0, 1.01), "agree"),
        ((0.9, 1.02, 1.2), "agree"),  # the median is within 3 %, and the interval holds 1
        ((1.01, 1.02, 1.025), "agree"),  # a little apart, yet within 3 %
        ((1.01, 1.02, 1.05), "unclear"),  # apart, and perhaps by more
        ((0.9, 1.05, 1.2), "unclear"),  # the median is beyond, and the interval holds 1
        ((1.02, 1.05, 1.06), "disagree"),
        ((0.9, 0.91, 0.95), "disagree"),
        ((1.0,), "unclear"),  # one repeat has no interval
    ],
)
def test_the_verdict_is_by_the_median_and_its_interval(repeats: tuple[float, ...], verdict: str) -> None:
    ratio = over_repeats("ratio", repeats, unit="times", better="")
    assert verdict_of([ratio]) == verdict
    fine = over_repeats("ratio", (1.0, 1.0), unit="times", better="")
    assert verdict_of([fine, ratio]) == verdict


@pytest.mark.slow
@needs_loadgen
def test_our_driver_agrees_with_loadgen() -> None:
    engine, method = SleepingEngine(0.03, batch_size=4), quick_method(repeats=3, least_s=1.2)
    case = Case(engine=engine, library=numbered_library(8), method=method, model="sleeping.onnx")
    for _ in range(5):  # other programs may disturb a run; a driver that measures something else fails them all
        *results, agreement = measure_agreement(case)
        if agreement.facts["verdict"] == "agree":
            break
    assert [(result.settings["scenario"], result.settings["driver"]) for result in results] == [
        ("single-stream", "own"),
        ("single-stream", "loadgen"),
        ("offline", "own"),
        ("offline", "loadgen"),
    ]
    assert [len(result.measurements[0].repeats) for result in results] == [3, 3, 3, 3]
    assert agreement["single_stream_p90_times"].value == pytest.approx(1, abs=0.03)
    assert agreement["offline_throughput_times"].value == pytest.approx(1, abs=0.03)
    assert "agree within 3%" in agreement.sentence
    assert agreement["same_queries_p90_times"].value == pytest.approx(1, abs=0.03)
    assert agreement["same_queries_throughput_times"].value == pytest.approx(1, abs=0.03)
