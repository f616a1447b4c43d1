"""What a run prints: a live table or tab-separated lines on standard output, news or trouble on standard error."""

from __future__ import annotations

import sys

from rich.console import Console

from pptsn.runtime.base.errors import one_line
from pptsn.runtime.base.lines import LineOutput, StandardOutput
from pptsn.runtime.stream.actions.messages import Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.health.snapshots import PipelineView
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.live_table import LiveTable
from pptsn.runtime.stream.sinks.text import news_line, utc_text

_TROUBLE = frozenset({"retrying", "failed", "damaged", "frozen"})


def terminal_sinks(view: PipelineView, *, top: int, console: Console | None = None) -> tuple[Sink, ...]:
    """Return what shows a run on `console` (standard output, if not given): a live table, or lines into a pipe.

    Where lines go into a pipe, the news go to standard error, by a sink of their own: the two fail apart.
    """
    console = console or Console(highlight=False)
    if console.is_terminal:
        return (LiveTable(view, console, top=top),)
    return PipedLines(StandardOutput()), NewsLines()


class PipedLines(Sink):
    """Writes a line a prediction to `output`.

    The fields of a line, separated by tabs: time (ISO 8601, UTC) at which the newest frame was captured, stream,
    class number, label and score of the leading class.
    """

    keeps_results = False

    def __init__(self, output: LineOutput) -> None:
        self.name = output.name
        self._output = output

    def open(self) -> None:
        """Open the output."""
        self._output.open()

    def wants(self, message: Message) -> bool:
        """Whether it is a prediction."""
        return isinstance(message, StreamPrediction)

    def write(self, message: Message) -> None:
        """Write one line."""
        if isinstance(message, StreamPrediction):
            self._output.write_line(_fields(message))

    def close(self) -> None:
        """Close the output; a second call does nothing."""
        self._output.close()


def _fields(prediction: StreamPrediction) -> str:
    time_text, stream = utc_text(prediction.wall_time), one_line(prediction.stream)
    best = prediction.top(1)[0]
    return "\t".join((time_text, stream, str(best.class_id), one_line(best.label), f"{best.score:.6f}"))


def print_line(text: str) -> None:
    """Print `text` as a line of the program; above the live table, where there is one.  Raises OSError."""
    sys.stderr.write(f"pptsn: {one_line(text)}\n")
    sys.stderr.flush()


class NewsLines(Sink):
    """Prints a line an event and a line a notice."""

    keeps_results = False
    name = "standard error"

    def wants(self, message: Message) -> bool:
        """Whether it is news, rather than a prediction."""
        return not isinstance(message, StreamPrediction)

    def write(self, message: Message) -> None:
        """Print one line."""
        if not isinstance(message, StreamPrediction):
            print_line(news_line(message))

    def close(self) -> None:
        """Leave standard error open."""


class TroubleLines(Sink):
    """Prints a line when a stream gets into trouble, and one when it is out of it; for the journal of a service.

    What is wrong already is not said again: a camera that is off for a week is one line.
    """

    keeps_results = False
    name = "standard error"

    def __init__(self) -> None:
        self._reported: dict[str, str] = {}  # what was last said of each stream in trouble

    def wants(self, message: Message) -> bool:
        """Whether it may tell of trouble, or of its end."""
        return isinstance(message, StreamNotice) and (message.state in _TROUBLE or message.state == "live")

    def write(self, message: Message) -> None:
        """Print one line, if it is news."""
        line = self._line(message) if isinstance(message, StreamNotice) else ""
        if line:
            print_line(line)

    def _line(self, notice: StreamNotice) -> str:
        before = self._reported.pop(notice.stream, "")
        if notice.state == "failed":
            return f"error: {one_line(notice.source)}: {one_line(notice.detail)}"
        if notice.state not in _TROUBLE:
            return f"{one_line(notice.stream)}: works again" if before else ""
        line = self._reported[notice.stream] = news_line(notice)
        return "" if line == before else line

    def close(self) -> None:
        """Leave standard error open."""
