"""What a run says on standard error: lines as they come, and the closing summary."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pptsn.runtime.base import progress
from pptsn.runtime.base.errors import one_line
from pptsn.runtime.stream.actions.messages import STAGES
from pptsn.runtime.stream.health.snapshots import Percentiles, SinkHealth, StreamHealth
from pptsn.runtime.stream.run.losses import left_out
from pptsn.runtime.stream.sinks.live_table import STATE_STYLES

# Notes that wait for a slow reader; errors wait in any number.
_MOST_NOTES = 1000
# How often it is looked whether lines are taken.
_POLL_S = 0.1
_MIN_NAME_WIDTH = 10
_TEXT_COLUMNS = ("state", "why", "last error")


class Reporter:
    """Prints in a thread of its own: a terminal that is stopped (Ctrl-S) stops nothing else.

    print_line: prints one line.
    """

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print_line = print_line
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()  # over all below, and the above
        self._closing = False
        self._notes = self._left_out = 0  # of those that wait, and of those that found no room since one did
        self._printed = 0
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Print `text`, soon, however many lines wait."""
        self.do(lambda: self._print_line(text))

    def note(self, text: str) -> None:
        """Print `text` as `line` does, unless the user wants no notes.

        Where a thousand notes wait for a slow reader, it is left out, and a line in its place says how many were.
        """
        if progress.QUIET:
            return
        with self._changed:
            if self._notes == _MOST_NOTES:
                self._left_out += 1
                return
            self._tell_left_out()
            self._notes += 1
            self._put(lambda: self._print_note(text))

    def do(self, action: Callable[[], None]) -> None:
        """Run `action`, which prints, after what was given before."""
        with self._changed:
            self._tell_left_out()
            self._put(action)

    def close(self, timeout_s: float, *, is_told_to_stop: Callable[[], bool] = lambda: False) -> bool:
        """Print what waits; return whether that was done, giving up where no line is taken for `timeout_s`.

        is_told_to_stop: whether the program was, which may come meanwhile.  From then on all has `timeout_s`: what
        waits after half of it is left out, and a line in its place says how much, a table being one.
        """
        with self._changed:
            self._tell_left_out()
            self._closing = True
            self._changed.notify()
        printed, since_s = -1, time.monotonic()
        while self._thread.is_alive() and time.monotonic() - since_s < timeout_s and not is_told_to_stop():
            if self._printed != printed:
                printed, since_s = self._printed, time.monotonic()
            self._thread.join(min(timeout_s, _POLL_S))
        if is_told_to_stop():
            self._thread.join(timeout_s / 2)
            self._leave_out_rest()
            self._thread.join(timeout_s / 2)
        return not self._thread.is_alive()

    def _leave_out_rest(self) -> None:
        with self._changed:
            count = len(self._waiting)
            self._waiting.clear()
            if count:
                self._put(lambda: self._print_line(left_out(count, "line")))

    def _tell_left_out(self) -> None:
        if self._left_out:
            text = left_out(self._left_out, "note")
            self._left_out = 0
            self._put(lambda: self._print_line(text))

    def _put(self, action: Callable[[], None]) -> None:
        self._waiting.append(action)
        self._changed.notify()

    def _print_note(self, text: str) -> None:
        with self._changed:
            self._notes -= 1
        self._print_line(text)

    def _run(self) -> None:
        while (action := self._next()) is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more
                action()
            self._printed += 1

    def _next(self) -> Callable[[], None] | None:
        """Wait for what is to be printed; return None where all is done."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            return self._waiting.popleft()


def write_summary(streams: Sequence[StreamHealth], sinks: Sequence[SinkHealth]) -> None:
    """Write the summary to standard error, if anybody reads it."""
    text = io.StringIO()  # a console that writes by itself ends the program where nobody reads
    width, colours = Console(stderr=True).width, sys.stderr.isatty()
    print_summary(streams, sinks, Console(file=text, width=width, force_terminal=colours, highlight=False))
    if text.getvalue():
        with suppress(OSError):
            sys.stderr.write(f"\n{text.getvalue()}")
            sys.stderr.flush()


def print_summary(streams: Sequence[StreamHealth], sinks: Sequence[SinkHealth], console: Console) -> None:
    """Print what the streams and sinks did, as tables that fit the console's width."""
    for table in (_streams_table(streams), _frames_table(streams), _latency_table(streams), _sinks_table(sinks)):
        if table.row_count:
            console.print(table)
            console.print()


def _streams_table(streams: Sequence[StreamHealth]) -> Table:
    table = _table("stream", "state", "predictions", "stale", "events", "reconnects", "why")
    for stream in streams:
        why = Text(one_line(stream.detail), style="dim")
        counts = (stream.predictions, stream.stale, stream.events, stream.reconnects)
        table.add_row(*_title(stream), *_numbers(counts), why)
    return table


def _frames_table(streams: Sequence[StreamHealth]) -> Table:
    table = _table("frames", "decoded", "sampled", "inferred", "dropped", "decode errors")
    for stream in streams:
        counts = (stream.decoded, stream.sampled, stream.inferred, stream.dropped, stream.decode_errors)
        table.add_row(_title(stream)[0], *_numbers(counts))
    return table


def _latency_table(streams: Sequence[StreamHealth]) -> Table:
    """Return p50, p90 and p99 of each stage, for the streams that have predictions."""
    table = _table("ms: p50 p90 p99", *STAGES)
    for stream in streams:
        if stream.latency:
            table.add_row(_title(stream)[0], *(_percentiles(stream.latency.get(stage)) for stage in STAGES))
    return table


def _sinks_table(sinks: Sequence[SinkHealth]) -> Table:
    table = _table("output", "written", "dropped", "failed", "last error")
    for sink in sinks:
        error = Text(one_line(sink.error), style="red")
        table.add_row(Text(one_line(sink.name)), *_numbers((sink.written, sink.dropped, sink.failed)), error)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    table.add_column(first, min_width=_MIN_NAME_WIDTH, overflow="fold")
    for name in others:
        if name in _TEXT_COLUMNS:
            table.add_column(name, overflow="fold", no_wrap=name == "state")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    return table


def _title(stream: StreamHealth) -> tuple[Text, Text]:
    return Text(one_line(stream.name)), Text(stream.state, style=STATE_STYLES.get(stream.state, ""))


def _numbers(counts: Sequence[int]) -> list[str]:
    return [str(count) for count in counts]


def _percentiles(stage: Percentiles | None) -> str:
    return " ".join(map(_milliseconds, (stage.p50, stage.p90, stage.p99))) if stage else "-"


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
