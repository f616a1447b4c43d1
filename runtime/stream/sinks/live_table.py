"""A live table for people: a block of lines a stream, sinks in trouble, the last events."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pptsn.runtime.base.errors import one_line
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.health.snapshots import PipelineView, SinkHealth, StreamHealth
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.text import clock_text, duration_text, news_line, wall_time_of

STATE_STYLES = {
    "waiting": "dim",
    "connecting": "cyan",
    "live": "green",
    "damaged": "yellow",
    "frozen": "yellow",
    "retrying": "yellow",
    "ended": "dim",
    "failed": "bold red",
}
_MAX_NAME_WIDTH = 28
_MIN_NAME_WIDTH = 6
_STATE_WIDTH = 10
_FIGURES_WIDTH = 33  # of `_figures`
_SCORE_WIDTH = 5
_MAX_LABEL_WIDTH = 40  # wider, the scores stand too far from their labels
_MIN_BAR_WIDTH, _MAX_BAR_WIDTH = 8, 24
# Lines kept for the latest events, where the screen is tall enough.
_NEWS_LINES = 5
_INDENT = "  "
_REFRESH_EVERY_S = 0.25
# Events and notices that are kept for the screen; how many are shown depends on its height.
_NEWS = 8


class LiveTable(Sink):
    """Draws the state of all streams and sinks, with the last events, a few times a second.

    The last picture stays on the screen.  What others print meanwhile appears above the table.
    """

    keeps_results = False
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


def draw(
    streams: Sequence[StreamHealth],
    sinks: Sequence[SinkHealth],
    news: Sequence[ActionEvent | StreamNotice],
    *,
    top: int,
    width: int,
    height: int,
) -> Text:
    """Return the state of `streams` in at most `height` lines of at most `width` cells.

    top: classes to show of each stream; fewer where the screen is low.  Streams that do not fit are counted.
    """
    below = _below(sinks, news, room=height // 4)
    room = max(1, height - 1 - len(below))
    lines = [_header(streams, width), *_blocks(streams, top=top, width=width, room=room), *below]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def _below(sinks: Sequence[SinkHealth], news: Sequence[ActionEvent | StreamNotice], *, room: int) -> list[Text]:
    """Return at most `room` lines: the sinks in trouble, then the latest events, as far as they fit."""
    trouble = [_sink_line(sink) for sink in sinks if sink.error or sink.dropped][:room]
    count = min(_NEWS_LINES, room - len(trouble), len(news))
    return trouble + [_news_line(message) for message in news[len(news) - count :]]


def _blocks(streams: Sequence[StreamHealth], *, top: int, width: int, room: int) -> list[Text]:
    """Return the blocks of as many streams as fit in `room` lines, with as many classes as let all fit.

    Where there is no room for classes, what else is said of a stream gives way: its title alone stays.
    """
    names = _name_width(streams, width)
    for classes in range(top, -1, -1):
        blocks = [_block(stream, classes, names=names, width=width) for stream in streams]
        if sum(map(len, blocks)) <= room:
            break
    else:
        blocks = [block[:1] for block in blocks]
    shown: list[Text] = []
    for count, block in enumerate(blocks):
        last = count == len(blocks) - 1
        if len(shown) + len(block) > room - (not last):
            return [*shown, _more_line(streams[count:])]
        shown += block
    return shown


def _more_line(streams: Sequence[StreamHealth]) -> Text:
    """Return what stands for streams that do not fit; it tells their states, so that no failure is hidden."""
    states = Counter(stream.state for stream in streams)
    line = Text(f"… and {len(streams)} more: ", style="dim")
    counts = [Text(f"{n} {state}", style=f"not dim {STATE_STYLES.get(state, '')}") for state, n in states.items()]
    return line.append(Text(", ").join(counts))


def _name_width(streams: Sequence[StreamHealth], width: int) -> int:
    widest = max((cell_len(one_line(stream.name)) for stream in streams), default=0)
    room = width - _STATE_WIDTH - _FIGURES_WIDTH - 2
    return max(_MIN_NAME_WIDTH, min(widest, room, _MAX_NAME_WIDTH))


def _header(streams: Sequence[StreamHealth], width: int) -> Text:
    name = set_cell_size("stream", _name_width(streams, width))
    figures = f"{'fps':>6}  {'p50/p99 ms':>12}  {'dropped':>11}"
    return Text(f"{name} {'state':<{_STATE_WIDTH}} {figures}", style="bold")


def _block(stream: StreamHealth, classes: int, *, names: int, width: int) -> list[Text]:
    style = STATE_STYLES.get(stream.state, "")
    title = Text(_fitted(stream.name, names), style="bold")
    title.append(f" {stream.state:<{_STATE_WIDTH}} ", style=style)
    title.append(_figures(stream), style="not bold")
    lines = [title]
    size = f"{stream.width}x{stream.height}"
    if stream.width and title.cell_len + 2 + len(size) <= width:
        title.append(f"  {size}", style="not bold dim")
    if stream.detail not in ("", size):
        lines.append(Text(_INDENT + one_line(stream.detail), style=style))
    lines += [_event_line(event, stream) for event in stream.active]
    return lines + _class_lines(stream, classes, width=width)


def _figures(stream: StreamHealth) -> str:
    total = stream.latency.get("total")
    latency = f"{total.p50:.0f}/{total.p99:.0f}" if total else "-"
    return f"{stream.fps:6.1f}  {latency:>12}  {stream.dropped:>11}"


def _event_line(event: ActionEvent, stream: StreamHealth) -> Text:
    lasted = duration_text(max(0.0, stream.position_s - event.start_s))
    line = Text(f"{_INDENT}▶ {one_line(event.label)}", style="bold magenta")
    return line.append(f" for {lasted}, peak {event.peak_score:.2f}", style="not bold")


def _class_lines(stream: StreamHealth, classes: int, *, width: int) -> list[Text]:
    if stream.last is None:
        return []
    bar_width = max(_MIN_BAR_WIDTH, min(_MAX_BAR_WIDTH, width // 5))
    label_width = max(8, min(_MAX_LABEL_WIDTH, width - len(_INDENT) - _SCORE_WIDTH - bar_width - 2))
    # What was seen last by a stream that gives nothing now is old news.
    style = "" if stream.state in ("live", "damaged", "frozen") and not stream.last.stale else "dim"
    lines = []
    for best, prediction in zip((True, *[False] * classes), stream.last.top(classes), strict=False):
        line = Text(_INDENT, style=style)
        line.append(_fitted(prediction.label, label_width), style="bold" if best and not style else style)
        line.append(f" {prediction.score:{_SCORE_WIDTH}.3f} ")
        line.append("━" * round(_share(prediction.score) * bar_width), style=style or "green")
        lines.append(line)
    return lines


def _share(score: float) -> float:
    return min(1.0, max(0.0, score)) if math.isfinite(score) else 0.0


def _fitted(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells of a terminal, some letters taking two; a cut shows as …."""
    text = one_line(text)
    return set_cell_size(text, width - 1) + "…" if cell_len(text) > width else set_cell_size(text, width)


def _sink_line(sink: SinkHealth) -> Text:
    counts = ", ".join(f"{n} {what}" for n, what in ((sink.failed, "failed"), (sink.dropped, "dropped")) if n)
    text = one_line(sink.error) or one_line(sink.name)
    return Text(f"! {counts}: {text}" if counts else f"! {text}", style="red" if sink.error else "yellow")


def _news_line(message: ActionEvent | StreamNotice) -> Text:
    line = Text(f"{clock_text(wall_time_of(message))} ", style="dim")
    style = STATE_STYLES.get(message.state, "") if isinstance(message, StreamNotice) else "magenta"
    return line.append(news_line(message), style=f"not dim {style}")
