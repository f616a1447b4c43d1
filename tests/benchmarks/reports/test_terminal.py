from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from pptsn.benchmarks.reports.tables import Cell, Column, Table
from pptsn.benchmarks.reports.terminal import output_console, show_report, show_table
from pptsn.benchmarks.reports.wording import TIMES
from tests.benchmarks.reports.fabricated import live, report, sweep

DASH = "\N{EN DASH}"


def shown(table: Table, width: int) -> list[str]:
    stream = io.StringIO()
    show_table(table, Console(file=stream, width=width, highlight=False))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def sweep_lines(width: int) -> list[str]:
    stream = io.StringIO()
    show_report(report(sweep()), Console(file=stream, width=width, highlight=False))
    return stream.getvalue().splitlines()


def cells(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)


WIDE = Table(
    columns=(
        Column("model", False),
        Column("segments", True),
        *(Column(name, True) for name in ("first", "second", "unknown", "third")),
    ),
    rows=(
        cells("small.onnx", "4", "1,111", "2,222", "—", "3,333"),
        cells("small.onnx", "8", "4,444", "5,555", "—", "6,666"),
    ),
)


def test_a_table_that_is_too_wide_is_split_into_parts_that_repeat_the_case() -> None:
    text = shown(WIDE, 30)
    assert [line.split() for line in text if line and not set(line) <= set("─ ")] == [
        ["model", "segments", "first"],
        ["small.onnx", "4", "1,111"],
        ["small.onnx", "8", "4,444"],
        ["model", "segments", "second"],
        ["small.onnx", "4", "2,222"],
        ["small.onnx", "8", "5,555"],
        ["model", "segments", "third"],
        ["small.onnx", "4", "3,333"],
        ["small.onnx", "8", "6,666"],
    ]


def test_columns_without_a_figure_go_only_where_there_is_no_room() -> None:
    assert "unknown" in shown(WIDE, 80)[0]
    lean = shown(WIDE, 48)
    assert len(lean) == 4
    assert lean[0].split() == ["model", "segments", "first", "second", "third"]


def test_a_table_without_room_for_one_figure_is_listed() -> None:
    assert shown(WIDE, 20)[:4] == ["model: small.onnx", "segments: 4", "first: 1,111", "second: 2,222"]
    assert shown(VERDICTS, 30)[:4] == [
        "case: resnet50.int8-cpu.onnx",
        "before: 1,111 ms",
        "after: 2,222 ms",
        "WORSE",
    ]


def test_a_single_row_that_is_too_wide_is_listed_with_its_intervals() -> None:
    table = Table(WIDE.columns, ((*WIDE.rows[0][:5], Cell("3,333", f"3,000{DASH}4,000")),))
    assert shown(table, 30)[-1] == f"third: 3,333 (3,000{DASH}4,000)"


VERDICTS = Table(
    columns=(Column("case", False), Column("before", True), Column("after", True), Column("", False)),
    rows=(
        cells("resnet50.int8-cpu.onnx", "1,111 ms", "2,222 ms", "WORSE"),
        cells("resnet50.onnx", "4,444 ms", "4,445 ms", "as before"),
    ),
)


def test_long_words_are_broken_before_a_table_is_split() -> None:
    lines = shown(VERDICTS, 44)
    first, rest, *_ = (line.split()[0] for line in lines[2:])
    assert first + rest == "resnet50.int8-cpu.onnx"
    assert lines[2].split()[1:] == ["1,111", "ms", "2,222", "ms", "WORSE"]


def test_each_part_of_a_table_has_the_verdict_at_its_right() -> None:
    lines = shown(VERDICTS, 41)
    verdicts = [line for line in lines if line.endswith("WORSE")]
    assert ["1,111" in line for line in verdicts] == [True, False]
    assert ["2,222" in line for line in verdicts] == [False, True]


@pytest.mark.parametrize(("width", "most_parts"), [(80, 5), (120, 2), (240, 1)])
def test_a_sweep_is_a_table_on_every_terminal(width: int, most_parts: int) -> None:
    lines = sweep_lines(width)
    assert max(map(len, lines)) <= width
    cases = [line for line in lines if line.startswith("resnet50.int8.onnx  int8")]
    assert 9 <= len(cases) <= 9 * most_parts
    assert not any(line.startswith("model: ") for line in lines)
    text = "\n".join(lines)
    for figure in ("3,451", "0.319", "68.6"):
        assert figure in text


def test_intervals_go_where_they_would_take_more_parts() -> None:
    assert "(3,382" in "\n".join(sweep_lines(240))
    for width in (80, 120):
        assert "(3,382" not in "\n".join(sweep_lines(width))


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("ascii", "0.5x 1-2 - ?ber.onnx"),
        ("latin-1", f"0.5{TIMES} 1-2 - über.onnx"),
        ("utf-8", f"0.5{TIMES} 1{DASH}2 — über.onnx"),
    ],
)
def test_what_standard_output_cannot_encode_is_replaced(
    monkeypatch: pytest.MonkeyPatch, encoding: str, told: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    console = output_console()
    console.print(f"0.5{TIMES} 1{DASH}2 — über.onnx")
    show_report(report([*live(), *sweep()]), console)
    sys.stdout.flush()
    assert written.getvalue().decode(encoding).splitlines()[0] == told
    assert b"Take resnet50.int8.onnx" in written.getvalue()
    sys.stdout.write("一\n")  # nor may what others print later fail
    sys.stdout.flush()
