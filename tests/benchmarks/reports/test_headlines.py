from __future__ import annotations

from dataclasses import replace

from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.reports.html import Headline, headlines
from tests.benchmarks.reports.fabricated import figure, live, report, scenario, stages, sweep


def driven_by(driver: str, result: Result) -> Result:
    return replace(result, settings={**result.settings, "driver": driver})


def with_bottleneck(name: str, clip: str = "a.avi") -> Result:
    return replace(stages(clip), facts={"bottleneck": name})


def offline(frames_per_s: float | None, *, model: str = "a.onnx", error: str = "") -> Result:
    measured = figure("frames_per_s", frames_per_s, unit="frames/s", better="higher")
    return scenario("offline", *(() if error else (measured,)), model=model, error=error)


def values(shown: list[Headline]) -> list[tuple[str, str]]:
    return [(each.value, each.unit) for each in shown]


def test_each_section_has_its_headlines_in_order() -> None:
    found = headlines(report())
    assert values(found) == [
        ("43.2", "ms"),
        ("298", "ms"),
        ("21.5", "queries/s"),
        ("27.6", "frames/s"),
        ("6", "streams"),
        ("1,062", "ms"),
    ]
    assert found[0].what == "single-stream, resnet50.int8.onnx: latency p90"
    assert found[0].interval == "42.3\N{EN DASH}44.1"


def test_many_scenarios_leave_a_place_to_each_other_section() -> None:
    scenarios = [offline(10.0 + number, model=f"{number}.onnx") for number in range(20)]
    found = headlines(report([*scenarios, *live(), with_bottleneck("compute"), *sweep()]))
    assert values(found) == [
        ("10", "frames/s"),
        ("11", "frames/s"),
        ("12", "frames/s"),
        ("13", "frames/s"),
        ("14", "frames/s"),
        ("6", "streams"),
        ("93.6", "%"),
        ("1,062", "ms"),
    ]


def test_places_that_sections_leave_go_to_the_others() -> None:
    scenarios = [offline(10.0 + number, model=f"{number}.onnx") for number in range(20)]
    assert len(headlines(report(scenarios))) == 8
    assert values(headlines(report([*scenarios, *live()])))[6:] == [("16", "frames/s"), ("6", "streams")]


def test_the_second_driver_has_no_headline_of_its_own() -> None:
    found = headlines(report([driven_by("own", offline(20.0)), driven_by("loadgen", offline(21.0))]))
    assert values(found) == [("20", "frames/s")]
    assert "own" not in found[0].what
    failed = driven_by("own", offline(None, error="out of memory"))
    assert values(headlines(report([failed, driven_by("loadgen", offline(21.0))]))) == [("21", "frames/s")]


def test_no_lesser_figure_stands_in_for_an_unknown_one() -> None:
    unknown = figure("latency_p99_ms", None)
    assert headlines(report([scenario("multi-stream", unknown, figure("latency_p50_ms", 128.0))])) == []
    ratio = Measurement(name="offline_throughput_times", unit="times", better="", value=0.97)
    assert values(headlines(report([scenario("agreement", ratio), *live()]))) == [("6", "streams")]


def test_the_bottleneck_is_told_with_its_share() -> None:
    (found,) = headlines(report([with_bottleneck("compute")]))
    assert found.value == "93.6"
    assert found.what == "of all threads' stage time is compute, the bottleneck"
    several = [with_bottleneck("compute"), replace(stages("b.avi"), facts={}), with_bottleneck("decode", "c.avi")]
    first, second = headlines(report(several))
    assert first.what.startswith("a.avi: ")
    assert second.what.startswith("c.avi: ")


def test_the_cell_of_a_sweep_to_take_is_told_with_its_accuracy() -> None:
    (found,) = headlines(report(sweep()))
    assert found.what.startswith("sweep's choice, resnet50.int8.onnx, int8, views ten, segments")
    assert found.what.endswith("% top-1")
