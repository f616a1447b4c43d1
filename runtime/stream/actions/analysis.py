"""What one stream's frames mean: the window over their logits, its predictions, its events."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.runtime.classify.results import softmax
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.events import Decider
from pptsn.runtime.stream.actions.messages import ActionEvent, Stages, StreamPrediction
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.actions.window import LogitWindow


@dataclass(frozen=True, eq=False)
class InferredFrame:
    """A frame that the engine has seen.

    logits: (C,) float64, the mean over its crops.  queued_s, inferred_s: as in Stages.
    """

    stamp: FrameStamp
    logits: npt.NDArray[np.float64]
    queued_s: float
    inferred_s: float


@dataclass(frozen=True)
class Finding:
    """What a frame led to: whether the window began anew, a prediction if one is due, and events."""

    reset: bool = False
    prediction: StreamPrediction | None = None
    events: tuple[ActionEvent, ...] = ()


class StreamAnalysis:
    """Turns the inferred frames of one stream, in their order, into predictions and events.  Not thread-safe.

    source: for the messages.  temperature: of the model's scores.  segments: of the window, each `step_s` long.
    every_s: between predictions; None: one with each frame.  max_staleness_s: the age from which a prediction is
    marked as stale.
    """

    def __init__(
        self,
        source: str,
        labels: tuple[str, ...],
        rules: DecisionRules,
        *,
        temperature: float = 1.0,
        segments: int,
        step_s: float,
        every_s: float | None,
        max_staleness_s: float,
    ) -> None:
        self._source, self._labels = source, labels
        self._step_s, self._every_s, self._max_staleness_s = step_s, every_s, max_staleness_s
        self._temperature = temperature
        self._window = LogitWindow(segments, len(labels))
        self._decider = Decider(rules, labels, source)
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
        stamp = frame.stamp
        events: tuple[ActionEvent, ...] = ()
        reset = self._stretch is not None and stamp.stretch != self._stretch
        if stamp.stretch != self._stretch:
            events = self.end_stretch()
            self._stretch = stamp.stretch
        self._window.add(stamp.slot, frame.logits)
        if not self._is_due(stamp.slot):
            return Finding(reset, None, events)
        scores = softmax(self._window.mean(), temperature=self._temperature)
        decision = self._decider.add(scores, stamp, warming_up=self._window.warming_up)
        return Finding(reset, self._prediction(frame, decision.scores), events + decision.events)

    def end_stretch(self) -> tuple[ActionEvent, ...]:
        """Forget the window: what comes next has nothing to do with it.  Returns the events that end so."""
        self._window.reset()
        self._stretch, self._period = None, -1
        return self._decider.reset()

    def _is_due(self, slot: int) -> bool:
        """Whether a period of `every_s` has begun since the last prediction."""
        if self._every_s is None:
            return True
        # Slots are the clock: they are exact where presentation times are rounded.
        period = int((slot * self._step_s + self._step_s / 4) / self._every_s)
        due = period > self._period
        self._period = period
        return due

    def _prediction(self, frame: InferredFrame, scores: Logits) -> StreamPrediction:
        stamp, emitted_s = frame.stamp, time.monotonic()
        number, self._number = self._number, self._number + 1
        return StreamPrediction(
            stream=stamp.stream,
            source=self._source,
            number=number,
            session=stamp.session,
            time_s=stamp.time_s,
            wall_time=stamp.wall_time,
            window_s=self._window.span * self._step_s,
            frames=self._window.frames,
            warming_up=self._window.warming_up,
            stale=emitted_s - stamp.captured_s > self._max_staleness_s,
            scores=scores,
            labels=self._labels,
            stages=Stages(stamp.captured_s, stamp.decoded_s, frame.queued_s, frame.inferred_s, emitted_s),
            watched=self._watched,
        )
