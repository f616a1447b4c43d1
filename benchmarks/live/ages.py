"""How old predictions were, stream by stream."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from pptsn.runtime.stream.actions.messages import Message, StreamPrediction
from pptsn.runtime.stream.sinks.base import Sink


@dataclass(frozen=True)
class StreamAges:
    """The predictions of one stream in a stretch of time.

    ages_ms: from the capture of a prediction's newest frame until it was made.
    pace: the seconds of the source that passed in a second of the clock; None with fewer than two predictions.
    """

    ages_ms: tuple[float, ...] = ()
    pace: float | None = None


@dataclass(frozen=True)
class _Seen:
    captured_s: float
    emitted_s: float
    time_s: float


class Ages(Sink):
    """Keeps when each prediction's frame was captured, and when the prediction was made."""

    name = "ages"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, list[_Seen]] = {}

    def write(self, message: Message) -> None:
        """Note a prediction."""
        if isinstance(message, StreamPrediction):
            stages = message.stages
            seen = _Seen(stages.captured_s, stages.emitted_s, message.time_s)
            with self._lock:
                self._seen.setdefault(message.stream, []).append(seen)

    def close(self) -> None:
        """Do nothing."""

    def streams(self) -> int:
        """Return how many streams have made a prediction."""
        with self._lock:
            return len(self._seen)

    def streams_past(self, moment_s: float) -> int:
        """Return how many streams have made a prediction on a frame captured at `moment_s` or later."""
        with self._lock:
            return sum(seen[-1].captured_s >= moment_s for seen in self._seen.values())

    def between(self, began_s: float, ended_s: float) -> Mapping[str, StreamAges]:
        """Return the predictions on frames captured between two moments (`time.monotonic`), by stream."""
        with self._lock:
            everything = {name: list(seen) for name, seen in self._seen.items()}
        return {
            name: _ages_of([one for one in seen if began_s <= one.captured_s < ended_s])
            for name, seen in everything.items()
        }


def _ages_of(seen: list[_Seen]) -> StreamAges:
    ages_ms = tuple(1000 * (one.emitted_s - one.captured_s) for one in seen)
    if len(seen) < 2 or seen[-1].captured_s <= seen[0].captured_s:
        return StreamAges(ages_ms)
    passed_s = seen[-1].captured_s - seen[0].captured_s
    return StreamAges(ages_ms, (seen[-1].time_s - seen[0].time_s) / passed_s)
