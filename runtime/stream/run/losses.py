"""What a run has to say at its end of results that are not where they should be."""

from __future__ import annotations

from collections.abc import Sequence

from pptsn.runtime.base.lines import ReaderGoneError, StandardOutput
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.health.snapshots import SinkHealth, StreamHealth
from pptsn.runtime.stream.sinks.base import Only, Sink
from pptsn.runtime.stream.sinks.terminal import NewsLines
from pptsn.runtime.video.names import counted

_EVENTS = frozenset({"events"})


def lost_messages(sinks: Sequence[SinkHealth]) -> list[str]:
    """Return a line for each output that lost messages.

    Standard output is none whose reader is slow or has gone, which is the reader's affair; one on a full disk is.
    """
    return [_loss(sink) for sink in sinks if sink.keeps_results and sink.lost and not _is_readers_affair(sink)]


def lines_left_out(sinks: Sequence[SinkHealth]) -> list[str]:
    """Return a line where news or errors did not reach standard error, which was read too slowly."""
    count = sum(sink.dropped for sink in sinks if sink.name == NewsLines.name)
    return [left_out(count, "line")] if count else []


def left_out(count: int, kind: str) -> str:
    """Return what is said of lines that a slow reader left no room for.  kind: what they are, in one word."""
    return f"note: {counted(count, kind)} left out: {NewsLines.name} was read too slowly"


def _is_readers_affair(sink: SinkHealth) -> bool:
    return sink.name == StandardOutput.name and sink.last_error in ("", str(ReaderGoneError()))


def _loss(sink: SinkHealth) -> str:
    total = sink.written + sink.lost
    what = "nothing was delivered" if not sink.written else f"{sink.lost} of {total} messages were lost"
    parts = [f"{sink.dropped} dropped, as it was too slow" if sink.dropped else "", sink.last_error]
    why = "; ".join(part for part in parts if part)
    return f"error: {sink.name}: {what}{f' ({why})' if why else ''}"


def lost_recordings(streams: Sequence[StreamHealth]) -> list[str]:
    """Return a line for each stream whose annotated videos lack something."""
    return [
        f"error: {stream.name}: {stream.loss}{_more(stream.losses - 1)}" for stream in streams if stream.losses
    ]


def _more(count: int) -> str:
    return f" (and {count} more such losses)" if count > 1 else " (and another)" if count else ""


def idle_outputs(sinks: Sequence[Sink], rules: DecisionRules) -> list[str]:
    """Return a line for each of `sinks` that waits for events which no threshold can raise."""
    if rules.thresholds:
        return []
    waiting = [sink for sink in sinks if isinstance(sink, Only) and sink.types == _EVENTS]
    remedy = "give a --threshold, or another only=..."
    return [f"note: {sink.name}: takes events alone, and no threshold raises any; {remedy}" for sink in waiting]


def events_that_did_not_come(streams: Sequence[StreamHealth], rules: DecisionRules) -> list[str]:
    """Return a line where thresholds were given and no event was raised, though there were predictions."""
    if not rules.thresholds or any(stream.events for stream in streams):
        return []
    if not any(stream.predictions for stream in streams):
        return []
    lowest = min(threshold.on for threshold in rules.thresholds.values())
    highest = max(stream.highest_score for stream in streams)
    if highest >= lowest:
        return ["note: no event was raised: scores reached a threshold only while windows were filling"]
    return [f"note: no event was raised: the highest score of a class with a threshold was {highest:.3f}"]
