"""How streams are watched: the choices that a user has, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime.errors import UsageError
from runtime.preprocess import VIEW_PLANS
from runtime.sampling import check_segments
from runtime.stream.queues import check_policy

_DAY_S = 86_400.0


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
    max_gap_s: without a frame for longer, the window begins anew.
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
        for option, value in (
            ("--window", self.window_s),
            ("--every", math.inf if self.every_s is None else self.every_s),
            ("--max-gap", self.max_gap_s),
            ("--max-staleness", self.max_staleness_s),
            ("--timeout", self.timeout_s),
            ("--max-backoff", self.max_backoff_s),
        ):
            if not value > 0:
                raise UsageError(option, f"expected more than 0 seconds, got {value}")
        for option, value in (("--max-wait", self.max_wait_s), ("--frozen-after", self.frozen_after_s)):
            if not 0 <= value <= _DAY_S:
                raise UsageError(option, f"expected 0 to {_DAY_S:.0f} seconds, got {value}")
        for option, count, least in (
            ("--queue", self.queue_frames, 1),
            ("--at-once", self.at_once, 1),
            ("--max-retries", 0 if self.max_retries is None else self.max_retries, 0),
        ):
            if count < least:
                raise UsageError(option, f"expected at least {least}, got {count}")
        if not math.isfinite(self.window_s) or self.max_gap_s < self.step_s:
            cause = f"{self.max_gap_s} s is less than the {self.step_s:.3g} s between sampled frames"
            raise UsageError("--max-gap", cause, "raise it, or shorten --window")

    @property
    def step_s(self) -> float:
        """Seconds between sampled frames."""
        return self.window_s / self.segments
