"""What a run says on standard error: lines as they come, and the closing summary."""

from __future__ import annotations

import io
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pptsn.runtime.base import progress
from pptsn.runtime.base.errors import one_line
from pptsn.runtime.stream.actions.messages import STAGES
from pptsn.runtime.stream.health.snapshots import Percentiles, SinkHealth, StreamHealth
from pptsn.runtime.stream.sinks.live_table import STATE_STYLES

_MOST_WAITING = 1000
_MIN_NAME_WIDTH = 10
_TEXT_COLUMNS = ("state", "why", "last error")


class Reporter:
    """Prints in a thread of its own: a terminal that is stopped (Ctrl-S) stops nothing else.

    print_line: prints one line.
    """

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print_line = print_line
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Print `text`, soon; what a reader that has stopped leaves no room for is lost."""
        self.do(lambda: self._print_line(text))

    def note(self, text: str) -> None:
        """Print `text` as `line` does, unless the user wants no notes."""
        if not progress.QUIET:
            self.line(text)

    def do(self, action: Callable[[], None]) -> None:
        """Run `action`, which prints, after what was given before."""
        with suppress(queue.Full):
            self._waiting.put_nowait(action)

    def close(self, timeout_s: float) -> bool:
        """Print what waits; return whether that was done in time."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (action := self._waiting.get()) is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more
                action()


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
