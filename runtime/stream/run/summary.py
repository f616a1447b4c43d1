"""The closing summary of a run: what each stream and each sink did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pptsn.runtime.stream.health.snapshots import STAGES, Percentiles, SinkHealth, StreamHealth
from pptsn.runtime.stream.sinks.live_table import STATE_STYLES
from pptsn.runtime.stream.sinks.text import one_line

_MIN_NAME_WIDTH = 10
_TEXT_COLUMNS = ("state", "why", "last error")


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
