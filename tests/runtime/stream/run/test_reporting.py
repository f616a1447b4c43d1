"""What a run says on standard error."""

from __future__ import annotations

import io
import re
import threading
import time

import pytest
from rich.cells import cell_len
from rich.console import Console

from pptsn.runtime.stream.actions.messages import STAGES
from pptsn.runtime.stream.health.snapshots import Percentiles, SinkHealth, StreamHealth
from pptsn.runtime.stream.run.losses import left_out
from pptsn.runtime.stream.run.reporting import Reporter, print_summary

LATENCY = {stage: Percentiles(1.23 * (i + 1), 12.3 * (i + 1), 123.0 * (i + 1)) for i, stage in enumerate(STAGES)}
DOOR = StreamHealth(
    "door",
    "clip.mp4",
    "ended",
    decoded=30011,
    sampled=10012,
    inferred=10013,
    dropped=14,
    decode_errors=15,
    predictions=1016,
    stale=17,
    events=18,
    reconnects=19,
    latency=LATENCY,
)
GARAGE = StreamHealth("garage", "rtsp://h", "failed", detail="wrong password (401)")
SINKS = (SinkHealth("x.jsonl", 1034, 21, 22), SinkHealth("https://h", 0, 0, 5, "https://h: answered 503"))


# --- lines ---


def test_lines_come_in_order_and_closing_waits_for_them() -> None:
    lines: list[str] = []
    reporter = Reporter(lines.append)
    for number in range(50):
        reporter.line(str(number))
    reporter.do(lambda: lines.append("summary"))
    assert reporter.close(5)
    assert lines == [*map(str, range(50)), "summary"]


def test_a_reader_that_has_stopped_holds_nobody() -> None:
    release = threading.Event()
    reporter = Reporter(lambda line: release.wait(10) and None)
    for number in range(5000):
        reporter.note(str(number))
    assert not reporter.close(0.1)
    release.set()


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 5000])
def test_notes_that_find_no_room_are_counted_and_errors_are_never_left_out(count: int) -> None:
    release, lines = threading.Event(), []

    def read(line: str) -> None:
        release.wait(10)
        lines.append(line)

    reporter = Reporter(read)
    reporter.do(lambda: None)
    for number in range(count):
        reporter.note(f"note {number}")
    for number in range(count):
        reporter.line(f"error {number}")
    release.set()
    assert reporter.close(5)
    notes = sum(line.startswith("note ") for line in lines)
    assert [line for line in lines if line.startswith("error ")] == [f"error {number}" for number in range(count)]
    assert notes >= min(count, 1000)
    told = r"note: (\d+) notes? (?:is|are) left out: standard error was read too slowly"
    said = [re.fullmatch(told, line) for line in lines if line.startswith("note: ")]
    # In one line or several, as the reader comes to them.
    assert sum(int(match[1]) for match in said if match) == count - notes


def test_a_slow_reader_gets_all_while_it_reads_on() -> None:
    lines: list[str] = []

    def read(line: str) -> None:
        time.sleep(0.1)
        lines.append(line)

    reporter = Reporter(read)
    for number in range(15):
        reporter.line(str(number))
    assert reporter.close(1.2)  # less than all take together, and long for one
    assert len(lines) == 15


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_program_that_is_told_to_stop_waits_no_longer_for_a_slow_reader_and_counts_what_it_leaves_out(
    when: str,
) -> None:
    lines: list[str] = []
    stop = threading.Event()

    def read(line: str) -> None:
        time.sleep(0.1)
        lines.append(line)
        if when == "meanwhile":
            stop.set()

    reporter = Reporter(read)
    for number in range(200):
        reporter.line(str(number))
    if when == "before":
        stop.set()
    assert reporter.close(2, is_told_to_stop=stop.is_set)
    told = len(lines) - 1
    assert told < 200
    assert lines == [*map(str, range(told)), left_out(200 - told, "line")]


def test_a_program_that_is_told_to_stop_leaves_a_reader_that_has_stopped() -> None:
    release = threading.Event()
    reporter = Reporter(lambda line: release.wait(10) and None)
    reporter.line("x")
    reporter.line("y")
    assert not reporter.close(0.1, is_told_to_stop=lambda: True)
    release.set()


def test_a_reader_that_has_gone_is_no_trouble() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    reporter = Reporter(gone)
    reporter.line("x")
    assert reporter.close(5)


# --- the summary ---


def printed(*streams: StreamHealth, sinks: tuple[SinkHealth, ...] = SINKS, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    print_summary(streams, sinks, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def table(lines: list[str], first: str) -> dict[str, str]:
    """Return the rows of the table whose header begins with `first`, by their first word."""
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    rows = lines[start + 1 : lines.index("", start)]
    return {row.split()[0]: row for row in rows}


def test_every_count_is_told() -> None:
    lines = printed(DOOR, GARAGE)
    assert table(lines, "stream")["door"].split()[1:] == ["ended", "1016", "17", "18", "19"]
    assert table(lines, "stream")["garage"].split(maxsplit=6)[-1] == "wrong password (401)"
    assert table(lines, "frames")["door"].split()[1:] == ["30011", "10012", "10013", "14", "15"]
    assert table(lines, "output")["x.jsonl"].split()[1:] == ["1034", "21", "22"]
    assert table(lines, "output")["https://h"].endswith("5  https://h: answered 503")


def test_latency_is_told_by_stage_for_streams_that_have_it() -> None:
    rows = table(printed(DOOR, GARAGE), "ms: p50 p90 p99")
    assert list(rows) == ["door"]
    assert rows["door"].split()[1:] == [
        *["1.2", "12", "123"], *["2.5", "25", "246"], *["3.7", "37", "369"], *["4.9", "49", "492"],
        *["6.2", "62", "615"],
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_screen_and_loses_no_figure(width: int) -> None:
    long = StreamHealth("厨房 " + "very long name " * 5, "x", "retrying", detail="why " * 30, predictions=1234567)
    lines = printed(DOOR, long, width=width)
    assert all(cell_len(line) <= width for line in lines)
    assert any("1234567" in line for line in lines)
    assert not any("…" in line for line in lines)


def test_nothing_is_said_of_what_there_was_not() -> None:
    lines = printed(GARAGE, sinks=())
    assert not any(line.startswith(("output", "ms:")) for line in lines)


def test_names_are_no_markup() -> None:
    lines = printed(StreamHealth("[red]door[/red]", "x", "ended"), sinks=())
    assert any("[red]door[/red]" in line for line in lines)
