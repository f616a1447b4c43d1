"""From a stream's scores to events: smoothing, hysteresis and cool-down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.messages import ActionEvent
from pptsn.runtime.stream.actions.thresholds import DecisionRules
from pptsn.runtime.stream.actions.window import Smoother


@dataclass
class _Running:
    """An event under way: its beginning, and what is known since."""

    started: ActionEvent
    last: FrameStamp
    total: float
    peak: float
    predictions: int = 1

    def add(self, score: float, now: FrameStamp) -> None:
        self.last = now
        self.total += score
        self.peak = max(self.peak, score)
        self.predictions += 1

    def so_far(self) -> ActionEvent:
        mean = self.total / self.predictions
        return replace(self.started, peak_score=self.peak, mean_score=mean, predictions=self.predictions)

    def ended(self, end: FrameStamp) -> ActionEvent:
        return replace(self.so_far(), phase="ended", end_s=end.time_s, end_wall_time=end.wall_time)


class EventTracker:
    """Turns the scores of one stream into events, numbered from 0 through all its sessions."""

    def __init__(self, rules: DecisionRules, labels: Sequence[str], source: str) -> None:
        self._labels = labels
        self._source = source
        self._cool_down_s = rules.cool_down_s
        # float32 as the scores are, so that a score equal to a threshold reaches it.
        self._on = _levels(len(labels), {number: t.on for number, t in rules.thresholds.items()})
        self._off = _levels(len(labels), {number: t.off for number, t in rules.thresholds.items()})
        self._running: dict[int, _Running] = {}
        self._ends: dict[int, FrameStamp] = {}
        self._count = 0

    @property
    def active(self) -> tuple[ActionEvent, ...]:
        """The events under way, oldest first, with their scores so far."""
        return tuple(running.so_far() for running in self._running.values())

    def add(self, scores: Logits, now: FrameStamp, *, may_start: bool) -> tuple[ActionEvent, ...]:
        """Return the events that end with `scores`, (C,) float32, and then those that start.

        An event that ends does so now; the score that ended it is not part of its peak and mean.
        """
        ended = []
        for number in tuple(self._running):
            if scores[number] < self._off[number]:
                ended.append(self._end(number, now))
            else:
                self._running[number].add(float(scores[number]), now)
        started = []
        if may_start:
            for number in map(int, np.flatnonzero(scores >= self._on)):
                if number not in self._running and self._cooled_down(number, now):
                    started.append(self._start(number, float(scores[number]), now))
        return (*ended, *started)

    def end_all(self) -> tuple[ActionEvent, ...]:
        """End the events under way, each at its last prediction, and return them."""
        return tuple(self._end(number, self._running[number].last) for number in tuple(self._running))

    def _start(self, number: int, score: float, now: FrameStamp) -> ActionEvent:
        event = ActionEvent(
            stream=now.stream,
            source=self._source,
            number=self._count,
            session=now.session,
            phase="started",
            class_id=number,
            label=self._labels[number],
            start_s=now.time_s,
            end_s=None,
            start_wall_time=now.wall_time,
            end_wall_time=None,
            peak_score=score,
            mean_score=score,
            predictions=1,
        )
        self._count += 1
        self._running[number] = _Running(event, now, total=score, peak=score)
        return event

    def _end(self, number: int, end: FrameStamp) -> ActionEvent:
        self._ends[number] = end
        return self._running.pop(number).ended(end)

    def _cooled_down(self, number: int, now: FrameStamp) -> bool:
        end = self._ends.get(number)
        if end is None:
            return True
        passed_s = now.time_s - end.time_s
        if now.session != end.session or passed_s < 0:  # clocks that cannot be compared
            passed_s = now.wall_time - end.wall_time
        # A clock that was set back must not keep a class silent.
        return passed_s < 0 or passed_s >= self._cool_down_s


@dataclass(frozen=True, eq=False)
class Decision:
    """What one prediction led to.

    scores: (C,) float32, smoothed, of all classes.  events: those that ended with it, then those that started.
    """

    scores: Logits
    events: tuple[ActionEvent, ...]


class Decider:
    """Smooths the scores of one stream and finds its events.  For use by one thread.

    Every event is handed out twice: when it starts, and when it ends, by `add` or `reset`.
    rules: their `watched` says which classes to show.  labels: of all classes.  source: for the events.
    """

    def __init__(self, rules: DecisionRules, labels: Sequence[str], source: str) -> None:
        self._smoother = Smoother(rules.smoothing_s)
        self._tracker = EventTracker(rules, labels, source)
        self._session: int | None = None

    @property
    def active(self) -> tuple[ActionEvent, ...]:
        """The events under way, oldest first: as they started, with their peak and mean so far."""
        return self._tracker.active

    def add(self, scores: Logits, stamp: FrameStamp, *, warming_up: bool) -> Decision:
        """Take the scores of a window, (C,) float32, that ends with the frame `stamp`.

        No event starts while the window warms up: a few frames are too little to report an action.
        A new session is a reset, whether or not `reset` was called.
        """
        ended: tuple[ActionEvent, ...] = ()
        if stamp.session != self._session:
            ended = self.reset()
            self._session = stamp.session
        smoothed = self._smoother.add(scores, stamp.time_s)
        events = self._tracker.add(smoothed, stamp, may_start=not warming_up)
        return Decision(smoothed, ended + events)

    def reset(self) -> tuple[ActionEvent, ...]:
        """Forget the scores so far, after a gap; return the events under way, ended at their last prediction."""
        self._smoother.reset()
        return self._tracker.end_all()


def _levels(classes: int, by_class: dict[int, float]) -> npt.NDArray[np.float32]:
    levels = np.full(classes, math.inf, np.float32)
    levels[list(by_class)] = list(by_class.values())
    return levels
