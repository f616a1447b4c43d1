"""From one sample of a list to the crops that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.decoding.clips import usable_frames
from pptsn.runtime.frames.preprocess import resize_frame
from pptsn.runtime.frames.sampling import centre_indices, training_indices
from pptsn.runtime.video import open_video
from pptsn.runtime.video.damage import require_sound
from pptsn.training.data.augment import ResizedCrop, training_crops, validation_crops
from pptsn.training.data.colour import ColourJitter, jitter_clip

Crops = npt.NDArray[np.uint8]

MODES = ("train", "val")

# Random streams of a clip: one for its frames, one for its crop and flip, one for its colours.
_FRAME_STREAM, _CROP_STREAM, _COLOUR_STREAM = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """How clips are turned into the crops that the network sees.

    num_seg: frames taken from each clip.
    short_side, crop_size: of the resized frame and of the square crop, in pixels.
    crop, jitter: in training; by default a multi-scale crop, and colours as they are.
    max_unreadable: the share of a list, 0..1, that may be unreadable before loading fails.
    draws: so many drawings of a clip's frames, crop, flip and colours come in turn; None for a new one each epoch.
    """

    num_seg: int = 3
    short_side: int = 256
    crop_size: int = 224
    crop: ResizedCrop | None = None
    jitter: ColourJitter = field(default_factory=ColourJitter)
    max_unreadable: float = 0.05
    draws: int | None = None

    def __post_init__(self) -> None:
        if self.num_seg < 1:
            raise UsageError("num_seg", f"expected 1 or more, got {self.num_seg}")
        if not 1 <= self.crop_size <= self.short_side:
            raise UsageError("crop_size", f"expected 1 to short_side ({self.short_side}), got {self.crop_size}")
        if not 0 <= self.max_unreadable <= 1:
            raise UsageError("max_unreadable", f"expected a share from 0 to 1, got {self.max_unreadable}")

    def draw_of(self, epoch: int) -> int:
        """Return which drawing `epoch`, from 0, sees."""
        return epoch if self.draws is None else epoch % self.draws


def clip_crops(sample: Sample, *, mode: str, settings: ClipSettings, key: Sequence[int] = (0,)) -> Crops:
    """Return the crops of one clip, (num_seg, crop_size, crop_size, 3) uint8 RGB.

    mode: `train` draws frames, crop, flip and colours; `val` takes the centre frames and their centre crops.
    key: whole numbers (seed, drawing, index in the list) that the random choices follow from, and nothing else
        does: neither the process that loads the clip nor what was loaded before it.
    Raises InputError where the clip cannot be read.
    """
    if mode not in MODES:
        raise UsageError("mode", f"unknown mode {mode!r}", f"choose one of {', '.join(MODES)}")
    frames = _sampled_frames(sample, settings, key if mode == "train" else None)
    if mode == "val":
        return validation_crops(frames, size=settings.crop_size)
    rng = np.random.default_rng([*key, _CROP_STREAM])
    crops = training_crops(frames, size=settings.crop_size, rng=rng, crop=settings.crop)
    jitter_clip(crops, settings.jitter, np.random.default_rng([*key, _COLOUR_STREAM]))
    return crops


def _sampled_frames(sample: Sample, settings: ClipSettings, key: Sequence[int] | None) -> list[Crops]:
    """Return the resized frames of a clip in order of time, drawn by `key` or, without one, the centre frames."""

    def choose(available: int) -> list[int]:
        frames = usable_frames(sample.path, available, sample.frames)
        if key is None:
            return centre_indices(frames, settings.num_seg)
        # A new generator each time: where the file's frame count was wrong, this is called once more.
        return training_indices(frames, settings.num_seg, np.random.default_rng([*key, _FRAME_STREAM]))

    def resize(pixels: Crops) -> Crops:
        return resize_frame(pixels, short_side=settings.short_side, rule="keep_aspect")

    with open_video(sample.path) as video:
        frames = [frame.pixels for frame in video.read_sampled(choose, transform=resize)]
        require_sound(sample.path, video.damage)
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(sample.path, "changes its aspect between frames", "cut the file at that place")
    return frames
