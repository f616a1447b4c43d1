"""A pipeline without streams: what it shows is what a test, or the demo, has told it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pptsn.runtime.stream.actions.messages import ActionEvent, Stages, StreamNotice, StreamPrediction
from pptsn.runtime.stream.health.snapshots import Percentiles, Picture, SinkHealth, StreamHealth

LABELS = ("jumping jacks", "juggling balls", "squat", "waving hand", "clapping", "stretching arm", "yoga")


class FakePipeline:
    """A PipelineView; the other methods change what it shows and return the message that a pipeline would send."""

    def __init__(self, names: Sequence[str], *, labels: Sequence[str] = LABELS) -> None:
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._pictures: dict[str, Picture] = {}
        self._sinks: tuple[SinkHealth, ...] = (SinkHealth("web page", written=12),)
        now = time.time()
        self._streams = {
            name: StreamHealth(name, f"rtsp://10.0.0.{20 + i}/{name}", "live", since=now, live_source=True)
            for i, name in enumerate(names)
        }

    def health(self) -> tuple[StreamHealth, ...]:
        with self._lock:
            return tuple(self._streams.values())

    def sinks(self) -> tuple[SinkHealth, ...]:
        with self._lock:
            return self._sinks

    def picture(self, stream: str) -> Picture | None:
        with self._lock:
            return self._pictures.get(stream)

    def set_sinks(self, *sinks: SinkHealth) -> None:
        with self._lock:
            self._sinks = sinks

    def change(self, name: str, **fields: object) -> None:
        """Change fields of a stream's health."""
        with self._lock:
            self._streams[name] = replace(self._streams[name], **fields)  # type: ignore[arg-type]

    def remove(self, name: str) -> None:
        with self._lock:
            del self._streams[name]
            self._pictures.pop(name, None)

    def show(self, name: str, jpeg: bytes, *, size: tuple[int, int] = (64, 48)) -> None:
        """Put a new picture of `name` in the place of the last one."""
        with self._lock:
            last = self._pictures.get(name)
            number = last.number + 1 if last else 0
            self._pictures[name] = Picture(number, jpeg, *size, time.time())

    def enter(self, name: str, state: str, detail: str = "") -> StreamNotice:
        """Change a stream's state."""
        self.change(name, state=state, detail=detail, since=time.time())
        return StreamNotice(name, self._streams[name].source, time.time(), state, detail)

    def predict(self, name: str, scores: Sequence[float], *, wall_time: float | None = None) -> StreamPrediction:
        """Make a prediction of `name`: a score for each label."""
        health = self._streams[name]
        now_s = time.monotonic()
        prediction = StreamPrediction(
            stream=name,
            source=health.source,
            number=health.predictions,
            session=health.reconnects,
            time_s=health.predictions * 0.5,
            wall_time=time.time() if wall_time is None else wall_time,
            window_s=3.0,
            frames=8,
            warming_up=False,
            stale=False,
            scores=np.array(scores, np.float32),
            labels=self.labels,
            stages=Stages(now_s - 0.050, now_s - 0.040, now_s - 0.030, now_s - 0.002, now_s),
        )
        latency = {"total": Percentiles(48.0, 61.0, 90.0), "inference": Percentiles(28.0, 33.0, 40.0)}
        self.change(name, last=prediction, predictions=health.predictions + 1, latency=latency)
        return prediction

    def start_event(self, name: str, label: str, *, score: float = 0.9) -> ActionEvent:
        """Begin an event of `name`."""
        health = self._streams[name]
        event = ActionEvent(
            stream=name,
            source=health.source,
            number=health.events,
            session=health.reconnects,
            phase="started",
            class_id=self.labels.index(label),
            label=label,
            start_s=10.0,
            end_s=None,
            start_wall_time=time.time(),
            end_wall_time=None,
            peak_score=score,
            mean_score=score,
            predictions=1,
        )
        self.change(name, events=health.events + 1, active=(*health.active, event))
        return event

    def end_event(self, event: ActionEvent, *, mean_score: float = 0.7) -> ActionEvent:
        """End an event that `start_event` began."""
        active = tuple(other for other in self._streams[event.stream].active if other is not event)
        self.change(event.stream, active=active)
        now = time.time()
        end_s = event.start_s + now - event.start_wall_time
        return replace(event, phase="ended", end_s=end_s, end_wall_time=now, mean_score=mean_score, predictions=9)
