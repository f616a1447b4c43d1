"""What happened lately, for pages that are opened later; bounded, whatever the pipeline does."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from pptsn.runtime.stream.actions.messages import ActionEvent, StreamPrediction

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
