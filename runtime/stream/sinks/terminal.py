"""Standard output: a live table for people, tab-separated lines for a pipe."""

from __future__ import annotations

import time
from collections import deque

from rich.console import Console
from rich.live import Live

from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.health.snapshots import PipelineView
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.line_output import LineOutput, StandardOutput
from pptsn.runtime.stream.sinks.lines import one_line, utc_text
from pptsn.runtime.stream.sinks.screen import draw
from pptsn.runtime.stream.sinks.standard_error import NewsLines

_REFRESH_EVERY_S = 0.25
# Events and notices that are kept for the screen; how many are shown depends on its height.
_NEWS = 8


def terminal_sinks(view: PipelineView, *, top: int, console: Console | None = None) -> tuple[Sink, ...]:
    """Return what shows a run on `console` (standard output, if not given): a live table, or lines into a pipe.

    Where lines go into a pipe, the news go to standard error, by a sink of their own: the two fail apart.
    """
    console = console or Console(highlight=False)
    if console.is_terminal:
        return (LiveTable(view, console, top=top),)
    return PipedLines(StandardOutput()), NewsLines()


class LiveTable(Sink):
    """Draws the state of all streams and sinks, with the last events, a few times a second.

    The last picture stays on the screen.  What others print meanwhile appears above the table.
    """

    name = "terminal"

    def __init__(self, view: PipelineView, console: Console, *, top: int) -> None:
        self._view = view
        self._console = console
        self._top = top
        self._news: deque[ActionEvent | StreamNotice] = deque(maxlen=_NEWS)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._drawn_s = float("-inf")

    def open(self) -> None:
        """Take the screen below what is printed already."""
        self._live.start()

    def write(self, message: Message) -> None:
        """Keep events and notices for the next picture; predictions are in the pipeline's health."""
        if not isinstance(message, StreamPrediction):
            self._news.append(message)

    def idle(self) -> None:
        """Draw, if it is time."""
        now_s = time.monotonic()
        if self._live.is_started and now_s - self._drawn_s >= _REFRESH_EVERY_S:
            self._drawn_s = now_s
            self._draw()

    def close(self) -> None:
        """Draw the final state and leave it there; a second call does nothing."""
        if self._live.is_started:
            try:
                self._draw()
            finally:
                self._live.stop()

    def _draw(self) -> None:
        picture = draw(
            self._view.health(),
            self._view.sinks(),
            tuple(self._news),
            top=self._top,
            width=self._console.width,
            # The line below the last one is the cursor's.
            height=self._console.height - 1,
        )
        self._live.update(picture, refresh=True)


class PipedLines(Sink):
    """Writes a line a prediction to `output`.

    The fields of a line, separated by tabs: time (ISO 8601, UTC) at which the newest frame was captured, stream,
    class number, label and score of the leading class.
    """

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
