"""What a stream's scores mean: smoothed scores, and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pptsn.runtime.engines.base import Logits
from pptsn.runtime.stream.actions.events import EventTracker, Moment
from pptsn.runtime.stream.actions.messages import ActionEvent
from pptsn.runtime.stream.actions.smoothing import Smoother
from pptsn.runtime.stream.actions.thresholds import OFF_SHARE, DecisionRules, Threshold, parse_rules

__all__ = ["OFF_SHARE", "Decider", "Decision", "DecisionRules", "Threshold", "parse_rules"]


@dataclass(frozen=True, eq=False)
class Decision:
    """What one prediction led to.

    scores: (C,) float32, smoothed, of all classes.  events: those that ended with it, then those that started.
    """

    scores: Logits
    events: tuple[ActionEvent, ...]


class Decider:
    """Smooths the scores of one stream and finds its events.  For use by one thread.

    Every event is handed out twice: when it starts, and when it ends, by `add`, `reset` or `finish`.
    rules: their `watched` says which classes to show.  labels: of all classes.  stream, source: for the events.
    """

    def __init__(self, rules: DecisionRules, labels: Sequence[str], stream: str, source: str) -> None:
        self.rules = rules
        self._smoother = Smoother(rules.smoothing_s)
        self._tracker = EventTracker(rules, labels, stream, source)
        self._session: int | None = None

    @property
    def active(self) -> tuple[ActionEvent, ...]:
        """The events under way, oldest first: as they started, with their peak and mean so far."""
        return self._tracker.active

    def add(self, scores: Logits, time_s: float, wall_time: float, *, session: int, warming_up: bool) -> Decision:
        """Take the scores of a window, (C,) float32, that ends at `time_s`.

        No event starts while the window warms up: a few frames are too little to report an action.
        A new session is a reset, whether or not `reset` was called.
        """
        ended: tuple[ActionEvent, ...] = ()
        if session != self._session:
            ended = self.reset()
            self._session = session
        smoothed = self._smoother.add(scores, time_s)
        events = self._tracker.add(smoothed, Moment(time_s, wall_time, session), may_start=not warming_up)
        return Decision(smoothed, ended + events)

    def reset(self) -> tuple[ActionEvent, ...]:
        """Forget the scores so far, after a gap; return the events under way, ended at their last prediction."""
        self._smoother.reset()
        return self._tracker.end_all()

    def finish(self) -> tuple[ActionEvent, ...]:
        """Return the events under way, ended at their last prediction: the stream is over."""
        return self.reset()
