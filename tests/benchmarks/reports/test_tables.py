from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from pptsn.benchmarks.measure.documents import short_names
from pptsn.benchmarks.measure.percentiles import over_repeats
from pptsn.benchmarks.measure.results import Report, Result
from pptsn.benchmarks.reports.tables import SectionView, section_views
from pptsn.benchmarks.reports.terminal import show_report
from pptsn.benchmarks.reports.wording import (
    TIMES,
    case_in_words,
    differences,
    heading_of,
    machine_line,
    name_in_words,
    with_unit,
)
from pptsn.benchmarks.reports.wording import figure as shown_figure
from pptsn.benchmarks.reports.writing import report_markdown
from tests.benchmarks.reports.fabricated import (
    MACHINE,
    figure,
    gains,
    latencies,
    live,
    report,
    scenario,
    stages,
    sweep,
)

DASH = "\N{EN DASH}"


def view(found: list[Result]) -> SectionView:
    (only,) = section_views(report(found))
    return only


def cells(shown: SectionView, table: int = 0) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in shown.tables[table].rows]


def titles(shown: SectionView, table: int = 0) -> list[str]:
    return [column.title for column in shown.tables[table].columns]


def test_sections_come_in_the_order_of_reports() -> None:
    assert [shown.name for shown in section_views(report())] == [
        "scenario",
        "live",
        "stages",
        "sweep",
        "gains",
        "targets",
    ]


def test_settings_that_all_cases_share_are_told_once() -> None:
    shown = view([scenario("single-stream", *latencies(1.0)), scenario("multi-stream", *latencies(2.0))])
    assert shown.shared == "resnet50.int8.onnx, int8, onnxruntime cpu"
    assert titles(shown) == ["scenario", "latency p90, ms", "latency p50, ms", "latency p99, ms"]
    assert cells(shown)[1] == [
        "multi-stream",
        f"2.40 (2.35{DASH}2.45)",
        f"2.00 (1.96{DASH}2.04)",
        f"3.20 (3.14{DASH}3.26)",
    ]


def test_cases_with_more_figures_than_the_first_share_its_table() -> None:
    shown = view(gains())
    (table,) = shown.tables
    assert [column.title for column in table.columns][-3:] == [
        "clip, ms",
        f"speedup over plain, {TIMES}",
        f"speedup over before, {TIMES}",
    ]
    assert cells(shown)[0][-2:] == ["", ""]


def test_stages_are_rows() -> None:
    shown = view([stages("a.avi")])
    assert titles(shown) == ["stage", "ms per clip", "p50, ms", "p90, ms", "p99, ms", "share, %"]
    assert cells(shown)[3][0] == "resize"
    assert cells(shown)[3][1] == f"18.4 (18.0{DASH}18.8)"
    assert cells(shown, 1)[0][0] == "clip, ms"


def test_a_stage_without_a_figure_has_an_empty_cell() -> None:
    whole = stages("a.avi")
    kept = tuple(m for m in whole.measurements if m.name not in ("resize_p50_ms", "decode_ms_per_clip"))
    shown = view([Result(section="stages", settings=whole.settings, measurements=kept)])
    by_name = {row[0]: row for row in cells(shown)}
    assert by_name["resize"][titles(shown).index("p50, ms")] == ""
    assert by_name["decode"][titles(shown).index("ms per clip")] == ""


def test_what_is_not_known_is_a_dash_and_its_reason_a_note() -> None:
    shown = view([scenario("server", *latencies(1.0, p99=False))])
    assert cells(shown)[0][-1] == "—"
    assert shown.notes == ("latency p99: needs at least 100 samples, got 61: measure for longer",)


def test_a_note_names_the_case_that_it_is_on() -> None:
    shown = view([scenario("server", *latencies(1.0, p99=False)), scenario("single-stream", *latencies(1.0))])
    assert shown.notes == ("latency p99: needs at least 100 samples, got 61: measure for longer (server)",)


def test_failures_are_told_beside_the_table() -> None:
    shown = view(sweep())
    assert len(cells(shown)) == 18
    (failure,) = shown.failures
    assert failure.endswith("views center, segments 3: model <1>: is no ONNX file & cannot be read")


def test_a_note_that_all_cases_have_names_none() -> None:
    assert view(sweep()).notes == ("joules per clip: no permission to read the power sensors of this machine",)


def test_a_note_that_both_of_two_cases_have_names_neither() -> None:
    cases = [scenario(name, *latencies(1.0, p99=False)) for name in ("server", "single-stream")]
    assert view(cases).notes == ("latency p99: needs at least 100 samples, got 61: measure for longer",)


def test_a_figure_of_one_repeat_has_no_interval() -> None:
    once = over_repeats("a_ms", [1.25], unit="ms", better="lower")
    shown = view([scenario("server", once)])
    assert cells(shown)[0][-1] == "1.25"


def test_targets_tell_bound_and_verdict() -> None:
    (shown,) = [shown for shown in section_views(report()) if shown.name == "targets"]
    assert [sentence.partition(": ")[2] for sentence in shown.sentences] == [
        "39.2 ms, target <= 42 ms.",
        "1.31 s, target <= 1.2 s: NOT met.",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0.0, "0"),
        (3.0, "3"),
        (0.00042, "0.000"),
        (0.0123, "0.012"),
        (0.5, "0.500"),
        (9.876, "9.88"),
        (45.67, "45.7"),
        (456.7, "457"),
        (12345.6, "12,346"),
        (-1.5, "-1.50"),
    ],
)
def test_figures_have_three_digits(value: float | None, text: str) -> None:
    assert shown_figure(value) == text


def test_names_lose_their_units_and_headings_tell_them() -> None:
    assert name_in_words("latency_p90_ms") == "latency p90"
    assert heading_of(figure("views_per_s", 1.0, unit="views/s")) == "views/s"
    assert heading_of(figure("top1_percent", 1.0, unit="%")) == "top-1, %"
    assert heading_of(figure("speedup_times", 1.0, unit="times")) == f"speedup, {TIMES}"
    assert with_unit(3.04, "times") == f"3.04{TIMES}"


def test_cases_name_what_their_values_do_not_tell() -> None:
    settings = {
        "model": "a.onnx",
        "views": "ten",
        "bound_ms": 200,
        "fps": 29.97,
        "precision": None,
        "mirror": True,
    }
    assert case_in_words(Result(section="live", settings=settings)) == (
        "a.onnx, views ten, bound 200 ms, fps 29.97, mirror yes"
    )


def on_terminal(found: Report, width: int) -> str:
    stream = io.StringIO()
    show_report(found, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_a_terminal_shows_sections_then_sentences_then_warnings() -> None:
    text = on_terminal(report(warnings=["very [bold]noisy[/bold]"]), 200)
    assert text.index("Scenarios") < text.index("Targets") < text.index("6 streams of 30")
    assert text.rstrip().endswith("warning: very [bold]noisy[/bold]")
    assert "failed: offline, über <b>fast</b>" in text


@pytest.mark.parametrize("width", [60, 80, 120, 240])
def test_figures_stay_whole_on_a_narrow_terminal(width: int) -> None:
    text = on_terminal(report(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for shown in ("43.2", "57.6", "397", "3,451", "0.319", "NOT met"):
        assert shown in text


def test_markdown_names_machine_and_day_and_warns() -> None:
    text = report_markdown(report(warnings=["it was | noisy"]))
    first = text.splitlines()[0]
    for part in (
        "EPYC 9B45",
        "2 cores",
        "25.2 GB",
        "no GPU",
        "onnxruntime 1.22.0",
        "commit 0123456789 with changes",
    ):
        assert part in first
    assert "2026-11-23 10:15 UTC" in first
    assert "> **Warning:** it was \\| noisy" in text


def test_markdown_tables_have_as_many_cells_in_each_row_and_no_markup_of_names() -> None:
    text = report_markdown(report())
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) >= 10
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "$x\\_1$" in text


def test_a_machine_in_a_line_leaves_out_what_is_not_known() -> None:
    assert machine_line({}) == "no GPU"
    known = {
        "cpu": "A78AE",
        "cores": 1,
        "core_quota": 0.5,
        "board": "Orin",
        "gpus": [{"name": "Orin GPU"}],
        "power_mode": ["MAXN", "0"],
    }
    assert machine_line(known) == "Orin, A78AE, 1 core, a quota of 0.5 cores, Orin GPU, MAXN, 0"


def test_machines_differ_in_what_their_figures_depend_on() -> None:
    assert differences(MACHINE, {**MACHINE, "commit": "other", "temperatures_c": {}}) == {}
    other = {**MACHINE, "cores": 8, "core_quota": 2.5, "gpus": [{"name": "H200"}], "power_mode": ["15W"]}
    assert differences(MACHINE, other) == {
        "cores": ("2", "8"),
        "core quota": ("", "2.5"),
        "gpu": ("", "H200"),
        "power mode": ("", "15W"),
    }


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    assert short_names(["x/a.json", "x/b.json"]) == ["a", "b"]
    assert short_names(["x/a.json", "y/a.json", "b.json"]) == ["x/a", "y/a", "b"]
    assert short_names(["x/z/a.json", "y/z/a.json"]) == ["x/z/a", "y/z/a"]
    assert short_names(["a.json", "a.json"]) == ["a #1", "a #2"]


def test_sentences_are_told_once() -> None:
    assert len(view([*live(), *live()]).sentences) == 1
