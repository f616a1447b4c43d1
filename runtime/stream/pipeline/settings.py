"""How streams are watched: the choices that a user has, checked.  `pptsn stream` has an option for each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.options import check_ranges, flags_of, option, options_of
from pptsn.runtime.frames.protocols import DAY_S, LEAST_S, LONGEST_WINDOW_S, StreamProtocol
from pptsn.runtime.frames.sampling import check_segments
from pptsn.runtime.frames.views import check_views
from pptsn.runtime.stream.pipeline.queues import check_policy

if TYPE_CHECKING:
    from pptsn.runtime.model.spec import ModelSpec

_MANY = 1_000_000
_DEFAULT = StreamProtocol()

_TIME, _TROUBLE, _ENGINE = "Time", "When it gets difficult", "Engine"


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The choices for all streams of a pipeline.  Raises UsageError for one that makes no sense.

    window_s, segments, views: as StreamProtocol has them.  None leaves each to the model, see `for_model`.
    every_s: seconds between predictions; None: one with each sampled frame.
    realtime: files run at their own pace rather than as fast as they can.
    policy: what happens to a frame that finds its queue full, one of POLICIES; None: `newest` for what happens
        now, `block` for files.
    queue_frames: sampled frames of a stream that may wait though they are due; those of a burst are due one after
        the other.  queue_bytes: of all frames of a stream that may wait.
    max_wait_s: how long a batch waits to be filled.
    max_gap_s: without a frame for longer, and longer than three of a slow source take, the window begins anew.
    max_staleness_s: a prediction older than this, from capture to sink, is marked.
    timeout_s: without a frame for longer, a live source is taken for dead; for opening any source as well.
    max_retries: attempts in a row that may fail before a source is given up; None: no limit.
    max_backoff_s: the longest pause before the next attempt.
    frozen_after_s: a picture that has not changed for so long is reported; 0: never.
    at_once: files that are read at the same time; the others wait for their turn.
    """

    window_s: float | None = option(
        f"Seconds that a prediction looks back; if not given, as the model says, or {_DEFAULT.window_s:g}.",
        "--window",
        default=None,
        panel=_TIME,
        least=LEAST_S,
        most=LONGEST_WINDOW_S,
    )
    segments: int | None = option(
        f"Frames to look at in a window; if not given, as the model says, or {_DEFAULT.segments}.",
        default=None,
        panel=_TIME,
    )
    every_s: float | None = option(
        "Seconds between predictions; if not given, one a frame looked at.",
        "--every",
        default=None,
        panel=_TIME,
        least=LEAST_S,
        most=DAY_S,
    )
    realtime: bool = option(
        "Files at their own pace, rather than as fast as they can be.", "--realtime", default=False, panel=_TIME
    )
    max_gap_s: float = option(
        "Seconds without a frame after which the window begins anew.",
        "--max-gap",
        default=2.0,
        panel=_TIME,
        least=LEAST_S,
        most=DAY_S,
    )
    policy: str | None = option(
        "Which frames stay when they come too fast: newest, oldest, or block (all: the source waits). "
        "If not given, newest for live sources, block for files.",
        default=None,
        panel=_TROUBLE,
    )
    # Each of these has memory set aside: 0.4 MB at a short side of 256.
    queue_frames: int = option(
        "Frames of a stream that may wait; those of a burst count once they are due.",
        "--queue",
        default=8,
        panel=_TROUBLE,
        least=1,
        most=256,
    )
    queue_bytes: float = option(
        "Megabytes of frames of a stream that may wait, those of a burst included.",
        "--queue-memory",
        default=64e6,
        panel=_TROUBLE,
        least=1e6,
        most=16e9,
        scale=1e-6,
        unit="megabytes",
    )
    max_staleness_s: float = option(
        "Seconds from which a prediction is marked as stale.",
        "--max-staleness",
        default=2.0,
        panel=_TROUBLE,
        least=LEAST_S,
        most=DAY_S,
    )
    timeout_s: float = option(
        "Seconds of silence after which a source counts as dead.",
        "--timeout",
        default=5.0,
        panel=_TROUBLE,
        least=LEAST_S,
        most=DAY_S,
    )
    max_retries: int | None = option(
        "How often in a row, without a frame, a live source is tried again; for ever if not given.",
        default=None,
        panel=_TROUBLE,
        least=0,
        most=_MANY,
    )
    max_backoff_s: float = option(
        "Seconds between attempts, at most.",
        "--max-backoff",
        default=4.0,
        panel=_TROUBLE,
        least=LEAST_S,
        most=DAY_S,
    )
    frozen_after_s: float = option(
        "Seconds after which a picture that does not change is reported; 0: never.",
        "--frozen-after",
        default=10.0,
        panel=_TROUBLE,
        least=0,
        most=DAY_S,
    )
    views: str | None = option(
        f"Crops of each frame: ten, three or center; if not given, as the model says, or {_DEFAULT.views}.",
        default=None,
        panel=_ENGINE,
    )
    # Predictions that come later than after a minute help nobody.
    max_wait_s: float = option(
        "Milliseconds that a batch waits for more frames.",
        "--max-wait-ms",
        default=0.005,
        panel=_ENGINE,
        least=0,
        most=60,
        scale=1000,
        unit="milliseconds",
    )
    at_once: int = option(
        "Files to read at the same time; the others wait.", default=8, panel=_ENGINE, least=1, most=1000
    )

    def __post_init__(self) -> None:
        if self.segments is not None:
            check_segments(self.segments)
        if self.views is not None:
            check_views(self.views)
        if self.policy is not None:
            check_policy(self.policy)
        check_ranges(self)
        if self.window_s is not None and self.segments is not None:
            StreamProtocol(**self._given)

    @property
    def protocol(self) -> StreamProtocol:
        """How streams are looked at, by a model that says nothing of it; raises UsageError as that does."""
        return StreamProtocol(**self._given)

    @property
    def step_s(self) -> float:
        """Seconds between sampled frames, as `protocol` has them."""
        return self.protocol.step_s

    def for_model(self, spec: ModelSpec) -> StreamSettings:
        """Return the settings with what was left to the model as `spec` says, or else as by default.

        Raises UsageError where what was given does not fit the rest.
        """
        looked_at = StreamProtocol(**(spec.said_of_streams | self._given))
        return dataclasses.replace(self, **dataclasses.asdict(looked_at))

    def told(self, spec: ModelSpec) -> str:
        """Return a line on how a model of `spec` looks at streams by these settings, and who decided it."""
        by_whom: dict[str, list[str]] = {}
        about = options_of(StreamSettings)
        for name, value in dataclasses.asdict(self.for_model(spec).protocol).items():
            flag = flags_of(*about[name])[0]
            by_whom.setdefault(self._decided_by(name, spec), []).append(
                f"{flag} {value:g}" if isinstance(value, float) else f"{flag} {value}"
            )
        parts = (f"{' '.join(options)} ({whose})" for whose, options in by_whom.items())
        return f"streams are looked at as by {', '.join(parts)}"

    def _decided_by(self, name: str, spec: ModelSpec) -> str:
        if name in self._given:
            return "as given"
        return "as the model says" if name in spec.said_of_streams else "by default"

    @property
    def _given(self) -> dict[str, Any]:
        """What was not left to the model, by the names of StreamProtocol's fields."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(StreamProtocol)}
        return {name: value for name, value in values.items() if value is not None}
