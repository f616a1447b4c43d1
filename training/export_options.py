"""What a user asks of an export.  Needs no Paddle, so that the command line can be made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import check_ranges, option
from pptsn.runtime.frames.preprocess import RESIZE_RULES
from pptsn.runtime.frames.protocols import LEAST_S, LONGEST_WINDOW_S
from pptsn.runtime.frames.sampling import SAMPLING_RULES
from pptsn.runtime.frames.views import VIEW_PLANS
from pptsn.runtime.model.spec import ARCHITECTURES, LARGEST_SIDE, MOST_CLASSES, MOST_SEGMENTS

_MOST = {
    "classes": MOST_CLASSES, "short_side": LARGEST_SIDE, "crop_size": LARGEST_SIDE, "num_seg": MOST_SEGMENTS,
    "segments": MOST_SEGMENTS, "stream_segments": MOST_SEGMENTS,
}  # fmt: skip
_NAMES = {
    "resize_rule": RESIZE_RULES, "views": VIEW_PLANS, "sampling": SAMPLING_RULES, "stream_views": VIEW_PLANS,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What overrides the spec beside the checkpoint and the published defaults; None leaves a value as it is.

    labels: file of class names.  depth, classes: what the checkpoint must be.  The rest: see `ModelSpec`.
    Raises UsageError for values that no model has.
    """

    labels: Path | None = option("Class names, one a line; known for 400 classes.", default=None)
    depth: int | None = option(
        "The depth that the weights must have; of untrained ones 50 if not given.", default=None
    )
    classes: int | None = option(
        "The number of classes that the weights must have; of untrained ones 400, or as --labels.", default=None
    )
    short_side: int | None = option("Short side of the resized frame, in pixels.", default=None)
    crop_size: int | None = option("Side of a crop, in pixels.", default=None)
    resize_rule: str | None = option("fixed_ratio, keep_aspect or keep_aspect_floor.", default=None)
    segments: int | None = option("Frames to look at of each clip, where classify is not told.", default=None)
    views: str | None = option("Crops of each frame: ten, three or center.", default=None)
    sampling: str | None = option("Which frames: centre or linspace.", default=None)
    stream_window_s: float | None = option(
        "Seconds that `pptsn stream` looks back, where it is not told.",
        "--stream-window",
        default=None,
        least=LEAST_S,
        most=LONGEST_WINDOW_S,
    )
    stream_segments: int | None = option("Frames that `pptsn stream` looks at in that window.", default=None)
    stream_views: str | None = option("Crops of each frame of a stream: ten, three or center.", default=None)
    num_seg: int | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        for name in _MOST:
            value = getattr(self, name)
            most = _MOST[name]
            if value is not None and not 1 <= value <= most:
                raise UsageError(f"--{name.replace('_', '-')}", f"is {value}, expected 1 to {most}")
        depths = sorted({depth for depths in ARCHITECTURES.values() for depth in depths})
        if self.depth not in (None, *depths):
            raise UsageError("--depth", f"is {self.depth}", f"choose one of {', '.join(map(str, depths))}")
        for name, known in _NAMES.items():
            value = getattr(self, name)
            if value not in (None, *known):
                option_name = f"--{name.replace('_', '-')}"
                raise UsageError(option_name, f"is {value!r}", f"choose one of {', '.join(known)}")
        if self.crop_size and self.short_side and self.crop_size > self.short_side:
            cause = f"is {self.crop_size}, more than the short side of a frame, {self.short_side}"
            raise UsageError("--crop-size", cause, "choose a smaller one, or a larger --short-side")
