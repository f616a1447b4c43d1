"""Messages on their way from the pipeline to the browsers, as server-sent events; and what happened lately."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Hashable, Iterable
from typing import Any, NamedTuple

from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamPrediction
from pptsn.runtime.stream.health.snapshots import PipelineView
from pptsn.runtime.stream.sinks.text import json_text

# Where browsers get them.
LIVE_PATH = "/api/live"
# Browsers that may watch at once, and what may wait for each.
BROWSERS = 16
WAITING_CHUNKS = 256
# A browser is sent what waits ten times a second, which an eye takes for immediately, and health every second.
FLUSH_S = 0.1
HEALTH_S = 1.0
# Without a word for so long, proxies on the way believe a connection dead.
HEARTBEAT_S = 10.0
_RETRY_MS = 2000
# What is kept for pages that are opened later: bounded, whatever the pipeline does.
EVENTS = 200
# Of each stream at least the last three minutes are kept, which is what the page's chart shows.
POINTS = 600
SPACING_S = 0.3


class EventLog:
    """The last EVENTS events; an event's end takes the place of its beginning."""

    def __init__(self) -> None:
        self._events: OrderedDict[tuple[str, int, int], ActionEvent] = OrderedDict()

    def add(self, event: ActionEvent) -> None:
        """Remember `event`."""
        self._events[event.stream, event.session, event.number] = event
        if len(self._events) > EVENTS:
            self._events.popitem(last=False)

    def newest_first(self) -> list[ActionEvent]:
        """Return the events, that which began last first."""
        return list(reversed(self._events.values()))


class ScorePoint(NamedTuple):
    """The leading classes of one prediction: (class number, label, score) each, best first."""

    wall_time: float
    session: int
    top: tuple[tuple[int, str, float], ...]


class ScoreHistory:
    """The scores of each stream's leading classes over the last minutes, at most one point in SPACING_S."""

    def __init__(self, *, top: int) -> None:
        self._top = top
        self._points: dict[str, deque[ScorePoint]] = {}

    def knows(self, stream: str) -> bool:
        """Return whether there are points of `stream`."""
        return stream in self._points

    def add(self, prediction: StreamPrediction) -> None:
        """Remember `prediction`, unless it follows too closely upon the last one."""
        points = self._points.setdefault(prediction.stream, deque(maxlen=POINTS))
        if points and 0 <= prediction.wall_time - points[-1].wall_time < SPACING_S:
            return
        top = tuple((p.class_id, p.label, p.score) for p in prediction.top(self._top))
        points.append(ScorePoint(prediction.wall_time, prediction.session, top))

    def keep_only(self, streams: Iterable[str]) -> None:
        """Forget all streams but these."""
        kept = set(streams)
        self._points = {name: points for name, points in self._points.items() if name in kept}

    def to_dict(self, stream: str) -> dict[str, Any]:
        """Return `labels` by class number, and `points`, oldest first.

        A point is [Unix time, session, [[class number, score], ...]].
        """
        points = tuple(self._points.get(stream, ()))
        return {
            "labels": {class_id: label for point in points for class_id, label, _ in point.top},
            "points": [
                [round(p.wall_time, 2), p.session, [[i, round(score, 4)] for i, _, score in p.top]] for p in points
            ],
        }


class Mailbox:
    """What waits for one browser; its methods may be called from any thread.

    Bounded: a newer chunk replaces an older one of the same key, and where the box is full the oldest goes.
    `dropped` counts both.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: OrderedDict[Hashable, bytes] = OrderedDict()
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def dropped(self) -> int:
        """How many chunks the browser will never get."""
        return self._dropped

    def put(self, key: Hashable, chunk: bytes) -> None:
        """Queue `chunk`; returns at once."""
        with self._lock:
            if self._chunks.pop(key, None) is not None:
                self._dropped += 1
            elif len(self._chunks) == WAITING_CHUNKS:
                self._chunks.popitem(last=False)
                self._dropped += 1
            self._chunks[key] = chunk

    def take(self) -> bytes:
        """Return all that waits, oldest first, and forget it."""
        with self._lock:
            waiting = b"".join(self._chunks.values())
            self._chunks.clear()
        return waiting


class Hub:
    """Keeps what happened lately, and hands it to the browsers that watch.

    `write` is called by the pipeline, from any thread, and only puts into mailboxes; each browser's connection
    empties its own from the server's event loop.  So a browser that never reads costs its mailbox, no more.

    view: asked for health and picture numbers while at least one browser watches.  top: classes a prediction.
    """

    def __init__(self, view: PipelineView, *, top: int) -> None:
        self._view = view
        self._top = top
        self._lock = threading.Lock()
        self._events = EventLog()
        self._scores = ScoreHistory(top=top)
        # Replaced as a whole under the lock, so that it may be read without.
        self._mailboxes: tuple[Mailbox, ...] = ()
        self._left_dropped = 0
        self._pulse_due_s = 0.0
        self._health_due_s = 0.0
        self._pictures: dict[str, int] = {}
        self._streams: tuple[str, ...] = ()
        self._closed = False

    @property
    def browsers(self) -> int:
        """How many browsers watch."""
        return len(self._mailboxes)

    @property
    def full(self) -> bool:
        """Whether no more browsers may watch."""
        return len(self._mailboxes) >= BROWSERS

    @property
    def dropped(self) -> int:
        """How many updates browsers missed because they were slow, all of them together."""
        with self._lock:
            return self._left_dropped + sum(box.dropped for box in self._mailboxes)

    def write(self, message: Message) -> None:
        """Remember `message` and queue it for the browsers; never waits for one."""
        self._remember(message)
        if not self._mailboxes:
            return
        fields = message.to_dict(top=self._top)
        # The newest prediction of a stream counts, but each event and notice is news of its own.
        key: Hashable = ("prediction", message.stream) if isinstance(message, StreamPrediction) else object()
        self._publish(key, fields["type"], fields)

    def close(self) -> None:
        """End the browsers' connections, soon; messages are still remembered."""
        self._closed = True

    def events(self) -> list[dict[str, Any]]:
        """Return the last events, newest first, as JSON's types."""
        with self._lock:
            events = self._events.newest_first()
        return [event.to_dict() for event in events]

    def scores(self, stream: str) -> dict[str, Any]:
        """Return the scores of a stream's leading classes over the last minutes, as ScoreHistory.to_dict."""
        with self._lock:
            return self._scores.to_dict(stream)

    async def watch(self) -> AsyncGenerator[bytes, None]:
        """Yield chunks of server-sent events, for one browser, until the hub is closed; none where it is full."""
        mailbox = self._admit()
        if mailbox is None:
            return
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            reported_dropped, last_s = 0, time.monotonic()
            while not self._closed:
                self._pulse()
                chunk = mailbox.take()
                if mailbox.dropped != reported_dropped:
                    reported_dropped = mailbox.dropped
                    chunk += _event("dropped", {"total": reported_dropped})
                if not chunk and time.monotonic() - last_s >= HEARTBEAT_S:
                    chunk = b": still here\n\n"
                if chunk:
                    yield chunk
                    last_s = time.monotonic()
                await asyncio.sleep(FLUSH_S)
        finally:
            self._dismiss(mailbox)

    def _admit(self) -> Mailbox | None:
        mailbox = Mailbox()
        with self._lock:
            if self.full:
                return None
            self._mailboxes = (*self._mailboxes, mailbox)
        # The newcomer learns health and pictures at once, and the others hear them once more.
        self._pulse_due_s = self._health_due_s = 0.0
        self._pictures.clear()
        return mailbox

    def _dismiss(self, mailbox: Mailbox) -> None:
        with self._lock:
            self._mailboxes = tuple(box for box in self._mailboxes if box is not mailbox)
            self._left_dropped += mailbox.dropped

    def _remember(self, message: Message) -> None:
        if isinstance(message, ActionEvent):
            with self._lock:
                self._events.add(message)
        elif isinstance(message, StreamPrediction):
            with self._lock:
                newcomer = not self._scores.knows(message.stream)
                self._scores.add(message)
            if newcomer:
                self._forget_removed_streams(message.stream)

    def _forget_removed_streams(self, newcomer: str) -> None:
        names = [health.name for health in self._view.health()]
        with self._lock:
            self._scores.keep_only([newcomer, *names])

    def _publish(self, key: Hashable, name: str, fields: dict[str, Any]) -> None:
        chunk = _event(name, fields)
        for mailbox in self._mailboxes:
            mailbox.put(key, chunk)

    def _pulse(self) -> None:
        """Publish what is due; called by every connection, from the event loop, and done once for all of them."""
        now_s = time.monotonic()
        if now_s < self._pulse_due_s:
            return
        self._pulse_due_s = now_s + FLUSH_S / 2  # less than a turn of one connection, so that none is left out
        if now_s >= self._health_due_s:
            self._health_due_s = now_s + HEALTH_S
            self._publish_health()
        for stream in self._streams:
            self._publish_picture(stream)

    def _publish_health(self) -> None:
        streams = self._view.health()
        self._streams = tuple(stream.name for stream in streams)
        self._pictures = {name: number for name, number in self._pictures.items() if name in self._streams}
        fields = {
            "wall_time": round(time.time(), 3),
            "streams": [stream.to_dict(top=self._top) for stream in streams],
            "sinks": [sink.to_dict() for sink in self._view.sinks()],
        }
        self._publish("health", "health", fields)

    def _publish_picture(self, stream: str) -> None:
        picture = self._view.picture(stream)
        if picture is None or self._pictures.get(stream) == picture.number:
            return
        self._pictures[stream] = picture.number
        fields = {"stream": stream, "number": picture.number, "width": picture.width, "height": picture.height}
        self._publish(("picture", stream), "picture", fields)


def _event(name: str, fields: dict[str, Any]) -> bytes:
    """Return a server-sent event; JSON has no line breaks, which would end its data early."""
    return f"event: {name}\ndata: {json_text(fields, compact=True)}\n\n".encode()
