"""What the stream pipeline tells its sinks: predictions, events and notices.  Frozen; shared between threads."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from pptsn.runtime.classify.results import Prediction, top_predictions
from pptsn.runtime.engines.base import Logits

# What Stages.to_dict tells, in order.
STAGES = ("decode", "queue", "inference", "emit", "total")


@dataclass(frozen=True)
class Stages:
    """When the newest frame of a prediction passed each stage, in seconds of `time.monotonic`.

    captured_s: its packet had come from the source; decoded_s: decoded and resized; queued_s: it left the queue
    for a batch of the engine; inferred_s: its logits were there; emitted_s: its prediction was made.
    """

    captured_s: float
    decoded_s: float
    queued_s: float
    inferred_s: float
    emitted_s: float

    def to_dict(self) -> dict[str, float]:
        """Return the milliseconds that each stage took, and their total."""
        times = (self.captured_s, self.decoded_s, self.queued_s, self.inferred_s, self.emitted_s)
        spans = [*(b - a for a, b in pairwise(times)), self.emitted_s - self.captured_s]
        return {name: round(1000 * span, 2) for name, span in zip(STAGES, spans, strict=True)}


@dataclass(frozen=True, eq=False)
class StreamPrediction:
    """What one window of one stream shows.

    stream: the stream's name; number: counts its predictions from 0; session: counts its connections from 0.
    time_s: presentation time of the window's newest frame, in seconds from the session's first frame; of frames
        that a program gave with their times, as it gave it.
    wall_time: Unix time at which that frame was captured.
    window_s: seconds between the window's beginning, or the first frame after a reset, and its newest frame.
    frames: the frames in it; warming_up: whether the window has not been filled since the last reset.
    stale: whether it is older than the staleness that was asked for.
    scores: (C,) float32, probabilities of the classes `labels`, after smoothing.
    watched: the classes to show, or None for all.
    """

    stream: str
    source: str
    number: int
    session: int
    time_s: float
    wall_time: float
    window_s: float
    frames: int
    warming_up: bool
    stale: bool
    scores: Logits
    labels: tuple[str, ...]
    stages: Stages
    watched: tuple[int, ...] | None = None

    def top(self, count: int = 5) -> tuple[Prediction, ...]:
        """Return the `count` leading watched classes (or all, if there are fewer), best first; ties by number."""
        return top_predictions(self.scores, self.labels, count, among=self.watched)

    def to_dict(self, *, top: int = 5) -> dict[str, Any]:
        """Return the fields of a JSON object of type `prediction`."""
        return {
            "type": "prediction",
            "stream": self.stream,
            "source": self.source,
            "number": self.number,
            "session": self.session,
            "time_s": round(self.time_s, 3),
            "wall_time": round(self.wall_time, 3),
            "window_s": round(self.window_s, 3),
            "frames": self.frames,
            "warming_up": self.warming_up,
            "stale": self.stale,
            "top": [p.to_dict() for p in self.top(top)],
            "timing_ms": self.stages.to_dict(),
        }


@dataclass(frozen=True)
class ActionEvent:
    """A class whose score rose over its threshold, and later fell below the lower one.

    Sent twice, with the same `number`: `phase` is "started", then "ended".  start_s, end_s: presentation times as
    in StreamPrediction; end_s is None until it ended.  start_wall_time, end_wall_time: Unix times.
    peak_score, mean_score: of its predictions so far, in 0..1; predictions: how many.
    """

    stream: str
    source: str
    number: int
    session: int
    phase: str
    class_id: int
    label: str
    start_s: float
    end_s: float | None
    start_wall_time: float
    end_wall_time: float | None
    peak_score: float
    mean_score: float
    predictions: int

    def to_dict(self, *, top: int = 0) -> dict[str, Any]:
        """Return the fields of a JSON object of type `event`."""
        return {
            "type": "event",
            "phase": self.phase,
            "stream": self.stream,
            "source": self.source,
            "number": self.number,
            "session": self.session,
            "class_id": self.class_id,
            "label": self.label,
            "start_s": round(self.start_s, 3),
            "end_s": None if self.end_s is None else round(self.end_s, 3),
            "start_wall_time": round(self.start_wall_time, 3),
            "end_wall_time": None if self.end_wall_time is None else round(self.end_wall_time, 3),
            "peak_score": round(self.peak_score, 6),
            "mean_score": round(self.mean_score, 6),
            "predictions": self.predictions,
        }


@dataclass(frozen=True)
class StreamNotice:
    """A change of a stream's state, or something that its user should know; state: a name in STATES."""

    stream: str
    source: str
    wall_time: float
    state: str
    detail: str

    def to_dict(self, *, top: int = 0) -> dict[str, Any]:
        """Return the fields of a JSON object of type `notice`."""
        return {
            "type": "notice",
            "stream": self.stream,
            "source": self.source,
            "wall_time": round(self.wall_time, 3),
            "state": self.state,
            "detail": self.detail,
        }


Message: TypeAlias = "StreamPrediction | ActionEvent | StreamNotice"

# What a stream can be doing:
#   waiting: for its turn; connecting: opening its source; live: frames come; damaged: frames come, nearly all
#   of them damaged; frozen: frames come, all alike;
#   retrying: the source failed, it is opened again after a pause;
#   ended: its source ended, or it was removed; failed: given up.
STATES = ("waiting", "connecting", "live", "damaged", "frozen", "retrying", "ended", "failed")
