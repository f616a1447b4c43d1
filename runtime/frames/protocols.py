"""How clips and streams are looked at: which frames, resized how, which crops; published ways by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.views import view_count

DAY_S = 86_400.0
# What containers can tell.
LEAST_S = 0.001
LONGEST_WINDOW_S = 30 * DAY_S


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How clips are looked at.

    sampling: a name in `SAMPLING_RULES`.  resize_rule: one of RESIZE_RULES.  segments: frames of a clip.  views: a
    name in VIEW_PLANS.
    """

    sampling: str
    resize_rule: str
    segments: int = 25
    views: str = "ten"

    def __str__(self) -> str:
        name = name_of(self)
        known = f", protocol {name}" if name else ""
        return f"{self.segments} segments, views {self.views}, {self.sampling}, {self.resize_rule}{known}"

    def but(
        self, *, segments: int | None = None, views: str | None = None, sampling: str | None = None
    ) -> Protocol:
        """Return it with what is given in place of its own."""
        given = {"segments": segments, "views": views, "sampling": sampling}
        return replace(self, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

    def crops(self, clips: int) -> int:
        """Return about how many crops a network sees of `clips` clips; short clips give fewer."""
        return clips * self.segments * view_count(self.views, mirror_in_graph=True)


@dataclass(frozen=True, kw_only=True)
class StreamProtocol:
    """How streams are looked at; its defaults are those of models that say nothing of it.

    window_s, segments: a prediction is the mean over the last `segments` slots of `window_s` / `segments` seconds.
    views: crops of each frame, a name in VIEW_PLANS.
    Raises UsageError for slots of a length that there is not.
    """

    window_s: float = 4.0
    segments: int = 8
    views: str = "center"

    def __post_init__(self) -> None:
        if not LEAST_S <= self.step_s <= DAY_S:
            cause = f"gives {self.step_s:g} s between sampled frames, expected {LEAST_S} to {DAY_S:.0f}"
            raise UsageError("--window", cause, "change --window or --segments")

    @property
    def step_s(self) -> float:
        """Seconds between sampled frames."""
        return self.window_s / self.segments


# Of the original: its test configurations for extracted frames and for video files, and its prediction of a file.
PROTOCOLS = {
    "frames": Protocol(sampling="centre", resize_rule="keep_aspect"),
    "videos": Protocol(sampling="linspace", resize_rule="keep_aspect_floor"),
    "predict": Protocol(sampling="centre", resize_rule="fixed_ratio"),
}
PUBLISHED = PROTOCOLS["predict"]


def protocol_called(name: str) -> Protocol:
    """Return the protocol of that name; raises UsageError that lists those there are."""
    if name not in PROTOCOLS:
        raise UsageError("--protocol", f"unknown protocol {name!r}", f"choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def name_of(protocol: Protocol) -> str | None:
    """Return the name of a published `protocol`, None for any other."""
    return next((name for name, published in PROTOCOLS.items() if published == protocol), None)
