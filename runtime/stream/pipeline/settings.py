"""How streams are watched: the choices that a user has, checked."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.sampling import check_segments
from pptsn.runtime.frames.views import VIEW_PLANS
from pptsn.runtime.stream.pipeline.queues import check_policy

_DAY_S = 86_400.0
# What containers can tell.
_LEAST_S = 0.001
_MANY = 1_000_000

# Option, field, least and most.  Each queued frame has memory set aside: 0.4 MB at a short side of 256.
_RANGES = (
    ("--window", "window_s", _LEAST_S, 30 * _DAY_S),
    ("--every", "every_s", _LEAST_S, _DAY_S),
    ("--max-gap", "max_gap_s", _LEAST_S, _DAY_S),
    ("--max-staleness", "max_staleness_s", _LEAST_S, _DAY_S),
    ("--timeout", "timeout_s", _LEAST_S, _DAY_S),
    ("--max-backoff", "max_backoff_s", _LEAST_S, _DAY_S),
    ("--max-wait", "max_wait_s", 0, 10),
    ("--frozen-after", "frozen_after_s", 0, _DAY_S),
    ("--queue", "queue_frames", 1, 256),
    ("--at-once", "at_once", 1, 1000),
    ("--max-retries", "max_retries", 0, _MANY),
)


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The choices for all streams of a pipeline.  Raises UsageError for one that makes no sense.

    window_s, segments: a prediction is the mean over the last `segments` slots of `window_s` / `segments` seconds.
    every_s: seconds between predictions; None: one with each sampled frame.
    views: crops of each frame, a name in VIEW_PLANS.
    realtime: files run at their own pace rather than as fast as they can.
    policy: what happens to a frame that finds its queue full, one of POLICIES; None: `newest` for what happens
        now, `block` for files.
    queue_frames: sampled frames of a stream that may wait.  max_wait_s: how long a batch waits to be filled.
    max_gap_s: without a frame for longer, and longer than three of a slow source take, the window begins anew.
    max_staleness_s: a prediction older than this, from capture to sink, is marked.
    timeout_s: without a frame for longer, a live source is taken for dead; for opening any source as well.
    max_retries: attempts in a row that may fail before a source is given up; None: no limit.
    max_backoff_s: the longest pause before the next attempt.
    frozen_after_s: a picture that has not changed for so long is reported; 0: never.
    at_once: files that are read at the same time; the others wait for their turn.
    """

    window_s: float = 4.0
    segments: int = 8
    every_s: float | None = None
    views: str = "center"
    realtime: bool = False
    policy: str | None = None
    queue_frames: int = 8
    max_wait_s: float = 0.005
    max_gap_s: float = 2.0
    max_staleness_s: float = 2.0
    timeout_s: float = 5.0
    max_retries: int | None = None
    max_backoff_s: float = 4.0
    frozen_after_s: float = 10.0
    at_once: int = 8

    def __post_init__(self) -> None:
        check_segments(self.segments)
        if self.views not in VIEW_PLANS:
            raise UsageError("--views", f"unknown plan {self.views!r}", f"choose one of {', '.join(VIEW_PLANS)}")
        if self.policy is not None:
            check_policy(self.policy)
        for option, field, least, most in _RANGES:
            value = getattr(self, field)
            if value is not None and not least <= value <= most:
                raise UsageError(option, f"expected {least:g} to {most:g}, got {value:g}")
        if not _LEAST_S <= self.step_s <= _DAY_S:
            cause = f"gives {self.step_s:g} s between sampled frames, expected {_LEAST_S} to {_DAY_S:.0f}"
            raise UsageError("--window", cause, "change --window or --segments")

    @property
    def step_s(self) -> float:
        """Seconds between sampled frames."""
        return self.window_s / self.segments
