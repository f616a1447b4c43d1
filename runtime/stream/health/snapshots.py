"""How the streams and the sinks are doing: snapshots for the terminal, the web page, metrics and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pptsn.runtime.stream.actions.messages import ActionEvent, StreamPrediction


@dataclass(frozen=True)
class Percentiles:
    """Of one stage's recent latencies, in milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class StreamHealth:
    """One stream at one moment.

    name, source: as in messages, without credentials; state: a name in STATES; detail: why, a phrase, or "".
    since: Unix time of the last change of state.  live_source: whether it happens now, rather than a file.
    width, height: of its pictures in pixels, 0 until known.  fps: decoded frames a second over the last seconds.
    position_s: presentation time of the newest sampled frame; duration_s: a file's, or None.
    decoded, sampled, inferred: frames so far.  dropped: sampled frames that overload discarded.
    decode_errors: packets that could not be decoded, and frames that came out damaged.
    predictions, stale, events, resets, reconnects: counts.
    latency: percentiles by stage, in milliseconds, empty until there are predictions.
    highest_score: so far, of a class that has a threshold.
    losses: how often a part of its recordings was lost.  loss: what the first was, a line, or "".
    last: its last prediction; active: events that have not ended.
    """

    name: str
    source: str
    state: str
    detail: str = ""
    since: float = 0.0
    live_source: bool = False
    width: int = 0
    height: int = 0
    fps: float = 0.0
    position_s: float = 0.0
    duration_s: float | None = None
    decoded: int = 0
    sampled: int = 0
    inferred: int = 0
    dropped: int = 0
    decode_errors: int = 0
    predictions: int = 0
    stale: int = 0
    events: int = 0
    resets: int = 0
    reconnects: int = 0
    frozen: bool = False
    latency: Mapping[str, Percentiles] = field(default_factory=dict)
    last: StreamPrediction | None = None
    active: tuple[ActionEvent, ...] = ()
    highest_score: float = 0.0
    losses: int = 0
    loss: str = ""

    def to_dict(self, *, top: int = 5) -> dict[str, Any]:
        """Return the health as JSON's types, with the last prediction and the events under way."""
        fields: dict[str, Any] = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("latency", "last", "active", "fps", "position_s", "highest_score", "losses", "loss")
        }
        fields["fps"] = round(self.fps, 2)
        fields["position_s"] = round(self.position_s, 3)
        fields["latency_ms"] = {
            stage: {"p50": round(p.p50, 2), "p90": round(p.p90, 2), "p99": round(p.p99, 2)}
            for stage, p in self.latency.items()
        }
        fields["last"] = self.last.to_dict(top=top) if self.last else None
        fields["active"] = [event.to_dict() for event in self.active]
        return fields


@dataclass(frozen=True)
class SinkHealth:
    """One sink at one moment: messages written, dropped because it was too slow, and failed.

    error: what is wrong at present; last_error: what was wrong last, be it over.
    keeps_results: whether what it does not get is lost, rather than not shown to somebody who looks on.
    """

    name: str
    written: int = 0
    dropped: int = 0
    failed: int = 0
    error: str = ""
    last_error: str = ""
    keeps_results: bool = True

    @property
    def lost(self) -> int:
        """Messages that it never took."""
        return self.dropped + self.failed

    def to_dict(self) -> dict[str, Any]:
        """Return how it is doing now, as JSON's types."""
        return {name: getattr(self, name) for name in ("name", "written", "dropped", "failed", "error")}


@dataclass(frozen=True)
class Picture:
    """A live picture of a stream: a JPEG, its size in pixels, and a number that grows with each."""

    number: int
    jpeg: bytes
    width: int
    height: int
    wall_time: float


class PipelineView(Protocol):
    """What a sink may ask of the running pipeline, from any thread; every method returns at once."""

    def health(self) -> tuple[StreamHealth, ...]:
        """Return how each stream is doing, in the order in which they were added."""
        ...

    def sinks(self) -> tuple[SinkHealth, ...]:
        """Return how each sink is doing."""
        ...

    def picture(self, stream: str) -> Picture | None:
        """Return the newest picture of the stream called `stream`; None where there is none (yet)."""
        ...
