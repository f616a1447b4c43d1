from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Measurement, Result
from pptsn.benchmarks.reports.compare import Comparison, compare
from pptsn.benchmarks.reports.judging import FAILED, IMPROVEMENT, MISSING, NEW, REGRESSION, UNCHANGED, Bounds
from pptsn.runtime.base.errors import UsageError
from tests.benchmarks.reports.fabricated import figure, gains, report, results, scenario, stages

NAMES = ("a", "b")


def one(
    *measurements: Measurement, section: str = "scenario", backend: str = "onnxruntime cpu", **told: Any
) -> Result:
    settings = {"model": "a.onnx", "backend": backend}
    return Result(section=section, settings=settings, measurements=measurements, **told)


def compared(base: Sequence[Result], new: Sequence[Result], **told: Any) -> Comparison:
    return compare(report(base), report(new), names=NAMES, **told)


def outcome(base: Measurement, new: Measurement, **told: Any) -> str:
    (verdict,) = compared([one(base)], [one(new)], **told).verdicts
    return verdict.outcome


def test_a_report_against_itself_has_no_change() -> None:
    found = compared(results(), results())
    assert {verdict.outcome for verdict in found.verdicts} == {UNCHANGED}
    assert not found.is_adjusted
    assert found.notes == ()


@pytest.mark.parametrize(
    ("better", "value", "expected"),
    [
        ("lower", 89.0, IMPROVEMENT),
        ("lower", 91.0, UNCHANGED),
        ("lower", 110.0, UNCHANGED),
        ("lower", 111.0, REGRESSION),
        ("higher", 89.0, REGRESSION),
        ("higher", 90.0, UNCHANGED),
        ("higher", 111.0, IMPROVEMENT),
    ],
)
def test_a_change_counts_past_the_bound_alone(better: str, value: float, expected: str) -> None:
    base = figure("a_mb", 100.0, unit="MB", better=better, spread=0.001)
    assert outcome(base, figure("a_mb", value, unit="MB", better=better, spread=0.001)) == expected


def test_the_bound_can_be_chosen() -> None:
    base, new = figure("a_ms", 100.0, spread=0.001), figure("a_ms", 104.0, spread=0.001)
    assert outcome(base, new, bounds=Bounds(percent=3)) == REGRESSION
    assert outcome(base, new, bounds=Bounds(percent=5)) == UNCHANGED


def test_intervals_that_overlap_are_no_change() -> None:
    base, new = figure("a_ms", 100.0, spread=0.1), figure("a_ms", 120.0, spread=0.1)
    found = compared([one(base)], [one(new)]).verdicts[0]
    assert (found.outcome, found.reason) == (UNCHANGED, "the intervals overlap")
    assert outcome(base, replace(new, low=None, high=None)) == REGRESSION


def test_figures_that_are_neither_better_lower_nor_higher_are_not_judged() -> None:
    base, new = figure("a_ms", 100.0, better=""), figure("a_ms", 500.0, better="")
    assert compared([one(base)], [one(new)]).verdicts == ()


def test_accuracy_is_judged_in_points() -> None:
    def top1(value: float) -> Measurement:
        return Measurement(name="top1_percent", unit="%", better="higher", value=value)

    assert outcome(top1(75.0), top1(73.5)) == REGRESSION
    assert outcome(top1(75.0), top1(74.5)) == UNCHANGED
    assert outcome(top1(75.0), top1(73.5), bounds=Bounds(accuracy_points=2)) == UNCHANGED


def test_a_base_of_nothing_can_get_worse() -> None:
    base = Measurement(name="errors_mb", unit="MB", better="lower", value=0.0)
    assert outcome(base, replace(base, value=1.0)) == REGRESSION
    assert outcome(base, base) == UNCHANGED


def test_the_stage_that_got_slower_is_named() -> None:
    found = compared([stages("a.avi")], [stages("a.avi", slower={"resize": 1.2})])
    (worse,) = found.regressions
    assert worse.sentence == (
        "stages resnet50.int8.onnx, a.avi, segments 25, views ten: resize got 20 % slower (18.4 ms → 22.1 ms)"
    )


def test_what_a_stage_takes_less_than_clocks_can_tell_is_no_change() -> None:
    base, new = figure("emit_ms_per_clip", 0.010), figure("emit_ms_per_clip", 0.025)
    found = compared([one(base, section="stages")], [one(new, section="stages")]).verdicts[0]
    assert (found.outcome, found.reason) == (UNCHANGED, "less than 0.02 ms")


def test_rates_are_said_to_be_slower() -> None:
    base, new = (
        figure("views_per_s", 100.0, unit="views/s", better="higher"),
        figure("views_per_s", 50.0, unit="views/s", better="higher"),
    )
    (worse,) = compared([one(base)], [one(new)]).regressions
    assert worse.sentence.endswith("views got 50 % slower (100 views/s → 50 views/s)")


def test_cases_that_are_missing_or_fail_count_as_regressions() -> None:
    base = [
        scenario("offline", figure("a_ms", 1.0)),
        scenario("server", figure("a_ms", 1.0)),
        scenario("x", figure("a_ms", 1.0)),
    ]
    new = [scenario("server", error="out of memory"), scenario("x", figure("a_ms", 1.0))]
    missing, failed, same = compared(base, new).verdicts
    assert (missing.outcome, failed.outcome, same.outcome) == (MISSING, FAILED, UNCHANGED)
    assert missing.is_regression
    assert "offline, resnet50.int8.onnx" in missing.sentence
    assert failed.sentence.endswith("was measured before, failed now: out of memory")


def test_a_failed_case_is_found_although_it_does_not_know_all_of_its_settings() -> None:
    known = {"model": "a.onnx", "precision": "int8", "backend": "onnxruntime", "views": "ten"}
    unknown = {**known, "precision": None, "backend": "auto"}
    base = Result(section="sweep", settings=known, measurements=(figure("a_ms", 1.0),))
    other = scenario("offline", figure("a_ms", 1.0))
    new = Result(section="sweep", settings=unknown, error="is damaged")
    found = compared([base, other], [new, other])
    assert [verdict.outcome for verdict in found.verdicts] == [UNCHANGED, FAILED]
    assert found.regressions[0].reason == "is damaged"
    elsewhere = replace(new, settings={**unknown, "views": "center"})
    assert [v.outcome for v in compared([base, other], [elsewhere, other]).regressions] == [MISSING]


@pytest.mark.parametrize(
    ("base", "part"), [(scenario("offline", figure("a_ms", 1.0)), "scenarios"), (gains()[-1], "gains")]
)
def test_a_failed_part_of_the_suite_is_why_its_cases_are_missing(base: Result, part: str) -> None:
    failed = Result(section=base.section, settings={"part": part}, error="the engine failed")
    found = compared([base, stages("a.avi")], [failed, stages("a.avi")])
    (lost,) = found.regressions
    assert (lost.outcome, lost.reason) == (FAILED, "the engine failed")
    assert compared([base], [failed]).regressions == (lost,)  # with nothing else in common
    other = replace(failed, settings={"part": "another"})
    assert [verdict.outcome for verdict in compared([base, other], [other]).regressions] == [MISSING]


def test_where_a_figure_has_no_interval_the_bound_alone_decides() -> None:
    once, five = over_repeats("a_ms", [100.0], unit="ms", better="lower"), figure("a_ms", 112.0, spread=0.1)
    assert once.low is None
    assert outcome(once, five) == REGRESSION
    assert outcome(replace(five, value=108.0), once) == UNCHANGED


def test_a_figure_that_is_not_known_any_more_says_why() -> None:
    base, new = figure("a_p99_ms", 1.0), figure("a_p99_ms", None, note="needs at least 100 samples")
    (missing,) = compared([one(base)], [one(new)]).regressions
    assert missing.sentence.endswith("a p99 was measured before, is missing now: needs at least 100 samples")
    assert outcome(new, base) == NEW


def test_a_figure_that_was_never_known_is_not_judged() -> None:
    unknown = figure("joules_per_clip", None, unit="J")
    assert compared([one(unknown, figure("a_ms", 1.0))], [one(unknown, figure("a_ms", 1.0))]).of(MISSING) == ()


def test_cases_only_in_the_new_report_are_listed() -> None:
    base, more = scenario("offline", figure("a_ms", 1.0)), scenario("server", figure("a_ms", 1.0))
    broken = scenario("server", error="no")
    for before in ([base], [base, broken]):
        found = compared(before, [base, more])
        assert [verdict.case for verdict in found.of(NEW)] == ["server, resnet50.int8.onnx, int8, onnxruntime cpu"]
        assert found.regressions == ()


def test_reports_with_nothing_in_common_make_no_comparison() -> None:
    with pytest.raises(UsageError, match="b: has no case in common with a"):
        compared([scenario("offline")], [scenario("server")])


def test_the_same_case_twice_is_compared_in_order() -> None:
    twice = [scenario("offline", figure("a_ms", 1.0)), scenario("offline", figure("a_ms", 9.0))]
    assert [verdict.base for verdict in compared(twice, twice).verdicts] == [1.0, 9.0]


def machines(
    base: Sequence[Result], new: Sequence[Result], *, slowness: float, raw: bool = False, **told: Any
) -> Comparison:
    return compare(report(base, probe_ms=4.0), report(new, probe_ms=4.0 * slowness, **told), names=NAMES, raw=raw)


def fast_and_slow(slowness: float) -> tuple[list[Result], list[Result]]:
    """What a machine finds that takes `slowness` as long for everything."""

    def of(factor: float) -> list[Result]:
        return [
            one(
                figure("a_ms", 100.0 * factor),
                figure("b_s", 2.0 * factor, unit="s"),
                figure("views_per_s", 50.0 / factor, unit="views/s", better="higher"),
                figure("peak_memory_mb", 400.0, unit="MB"),
                figure("gain_times", 3.0, unit="times", better="higher"),
            )
        ]

    return of(1.0), of(slowness)


def test_a_slower_machine_is_told_and_taken_out_of_times_and_rates() -> None:
    found = machines(*fast_and_slow(1.5), slowness=1.5)
    assert found.is_adjusted
    assert {verdict.outcome for verdict in found.verdicts} == {UNCHANGED}
    assert any("MACHINE OF b WAS 50 % SLOWER" in note for note in found.notes)
    assert [verdict.judged for verdict in found.verdicts] == pytest.approx([100.0, 2.0, 50.0, 400.0, 3.0])


def test_on_a_faster_machine_the_same_figures_are_a_regression() -> None:
    base, _ = fast_and_slow(1.0)
    found = machines(base, base, slowness=0.5)
    assert [verdict.name for verdict in found.regressions] == ["a_ms", "b_s", "views_per_s"]
    assert "on the first one's machine" in found.regressions[0].sentence
    assert any("100 % FASTER" in note for note in found.notes)


def test_figures_are_judged_as_measured_where_that_is_asked_for() -> None:
    found = machines(*fast_and_slow(1.5), slowness=1.5, raw=True)
    assert not found.is_adjusted
    assert [verdict.name for verdict in found.regressions] == ["a_ms", "b_s", "views_per_s"]
    assert any("50 % slower; figures were judged as they were measured" in note for note in found.notes)


def test_machines_alike_within_ten_percent_are_judged_as_measured() -> None:
    assert not machines(*fast_and_slow(1.0), slowness=1.09).is_adjusted
    assert machines(*fast_and_slow(1.0), slowness=1.11).is_adjusted
    assert not machines(*fast_and_slow(1.0), slowness=0.92).is_adjusted


@pytest.mark.parametrize("machine", [{"cores": 8}, {"core_quota": 1.5}])
def test_the_probe_of_one_core_says_nothing_of_another_number_of_them(machine: dict[str, Any]) -> None:
    found = machines(*fast_and_slow(1.5), slowness=1.5, machine=machine)
    assert not found.is_adjusted
    assert [verdict.name for verdict in found.regressions] == ["a_ms", "b_s", "views_per_s"]
    assert any("cannot be told from the probe, which runs on one" in note for note in found.notes)
    assert not any("SLOWER" in note for note in found.notes)


def test_streams_are_adjusted_unless_no_more_were_tried() -> None:
    def of(streams: float, most: int) -> list[Result]:
        count = Measurement(name="streams", unit="streams", better="higher", value=streams)
        return [one(count, section="live", facts={"most_tried": most})]

    assert machines(of(64, 64), of(32, 64), slowness=2.0).verdicts[0].judged == 64
    for slowness in (2.0, 0.5):
        (verdict,) = machines(of(64, 64), of(64, 64), slowness=slowness).verdicts
        assert (verdict.outcome, verdict.judged) == (UNCHANGED, 64)


def test_other_processors_are_adjusted_even_if_they_are_alike() -> None:
    found = machines(*fast_and_slow(1.05), slowness=1.05, machine={"cpu": "Another"})
    assert found.is_adjusted
    assert any("the machines differ in cpu" in note for note in found.notes)


def test_without_a_probe_figures_are_judged_as_measured() -> None:
    base, new = fast_and_slow(1.5)
    found = compare(report(base, probe_ms=None), report(new), names=NAMES)
    assert not found.is_adjusted
    assert len(found.regressions) == 3
    assert any("no probe" in note for note in found.notes)


def test_the_speed_of_the_processor_says_nothing_of_a_gpu() -> None:
    on_gpu = [one(figure("a_ms", 100.0), backend="onnxruntime cuda")]
    found = machines(on_gpu, on_gpu, slowness=2.0, machine={"gpus": [{"name": "H200"}]})
    assert found.verdicts[0].judged == 100.0
    assert any("differ in gpu: none before, H200 now" in note for note in found.notes)


@pytest.mark.parametrize(("device", "judged"), [("cuda:0", 100.0), ("cpu", 50.0)])
def test_a_cell_of_a_sweep_tells_by_its_device_whether_a_gpu_computes(device: str, judged: float) -> None:
    settings = {"model": "a.onnx", "backend": "onnxruntime", "device": device}
    cell = Result(section="sweep", settings=settings, measurements=(figure("a_ms", 100.0),))
    assert machines([cell], [cell], slowness=2.0).verdicts[0].judged == judged


def test_warnings_of_either_report_are_told() -> None:
    base = results()
    found = compare(report(base, warnings=["loud"]), report(base, warnings=["hot"]), names=NAMES)
    assert found.notes == ("a: loud", "b: hot")
