"""What one stream's frames mean: the window over their logits, its predictions, its events."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.runtime.classify.results import softmax
from pptsn.runtime.stream.actions.decisions import Decider, DecisionRules
from pptsn.runtime.stream.actions.messages import ActionEvent, Stages, StreamPrediction
from pptsn.runtime.stream.actions.window import LogitWindow
from pptsn.runtime.stream.pipeline.settings import StreamSettings


@dataclass(frozen=True, eq=False)
class InferredFrame:
    """A frame that was inferred: its mean logits (C,) float64, and where and when it belongs.

    The other fields are those of protocol.Sampled and of Stages.
    """

    logits: npt.NDArray[np.float64]
    session: int
    epoch: int
    place: int
    time_s: float
    wall_time: float
    captured_s: float
    decoded_s: float
    queued_s: float
    inferred_s: float


@dataclass(frozen=True)
class Finding:
    """What a frame led to: whether the window began anew, a prediction if one is due, and events."""

    reset: bool = False
    prediction: StreamPrediction | None = None
    events: tuple[ActionEvent, ...] = ()


class StreamAnalysis:
    """Turns the inferred frames of one stream, in their order, into predictions and events.  Not thread-safe."""

    def __init__(
        self, stream: str, source: str, labels: tuple[str, ...], settings: StreamSettings, rules: DecisionRules
    ) -> None:
        self._stream, self._source, self._labels = stream, source, labels
        self._settings = settings
        self._window = LogitWindow(settings.segments, len(labels))
        self._decider = Decider(rules, labels, stream, source)
        self._watched = None if rules.watched is None else tuple(sorted(rules.watched))
        self._stretch: tuple[int, int] | None = None
        self._number = 0
        self._period = -1

    @property
    def active(self) -> tuple[ActionEvent, ...]:
        """The events under way."""
        return self._decider.active

    def add(self, frame: InferredFrame) -> Finding:
        """Take the next frame of the stream."""
        events: tuple[ActionEvent, ...] = ()
        stretch = (frame.session, frame.epoch)
        reset = self._stretch is not None and stretch != self._stretch
        if stretch != self._stretch:
            events = self.end_stretch()
            self._stretch = stretch
        self._window.add(frame.place, frame.logits)
        if not self._is_due(frame):
            return Finding(reset, None, events)
        scores = softmax(self._window.mean())
        decision = self._decider.add(
            scores, frame.time_s, frame.wall_time, session=frame.session, warming_up=self._window.warming_up
        )
        return Finding(reset, self._prediction(frame, decision.scores), events + decision.events)

    def end_stretch(self) -> tuple[ActionEvent, ...]:
        """Forget the window: what comes next has nothing to do with it.  Returns the events that end so."""
        self._window.reset()
        self._stretch, self._period = None, -1
        return self._decider.reset()

    def _is_due(self, frame: InferredFrame) -> bool:
        """Whether a period of `every_s` has begun since the last prediction."""
        every_s = self._settings.every_s
        if every_s is None:
            return True
        # Slots are the clock: they are exact where presentation times are rounded.
        period = int((frame.place * self._settings.step_s + self._settings.step_s / 4) / every_s)
        due = period > self._period
        self._period = period
        return due

    def _prediction(self, frame: InferredFrame, scores: npt.NDArray[np.float32]) -> StreamPrediction:
        emitted_s = time.monotonic()
        number, self._number = self._number, self._number + 1
        return StreamPrediction(
            stream=self._stream,
            source=self._source,
            number=number,
            session=frame.session,
            time_s=frame.time_s,
            wall_time=frame.wall_time,
            window_s=self._window.span * self._settings.step_s,
            frames=self._window.frames,
            warming_up=self._window.warming_up,
            stale=emitted_s - frame.captured_s > self._settings.max_staleness_s,
            scores=scores,
            labels=self._labels,
            stages=Stages(frame.captured_s, frame.decoded_s, frame.queued_s, frame.inferred_s, emitted_s),
            watched=self._watched,
        )
