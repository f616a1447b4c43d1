"""What happens to the resized frames of a clip before the network sees them, in training and in validation.

Frames are (H, W, 3) uint8 RGB; what is drawn is drawn once for a clip, so that its frames stay comparable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.frames.preprocess import cut_crop
from pptsn.runtime.frames.views import crop_views

Frame = npt.NDArray[np.uint8]

_SCALES = (1.0, 0.875, 0.75, 0.66)
# Width and height may differ by so many steps of _SCALES.
_MAX_SCALE_STEPS = 1
# A crop within so many pixels of the network's size is made that size, which saves it the resizing.
_SNAP_PX = 2
_FLIP_PROBABILITY = 0.5
# To draw a random-resized crop that lies within the frame.
_TRIES = 10
# Positions of a crop as quarters of the margin in x and y: corners, centre, edge middles, quarter points.
_POSITIONS = (
    (0, 0), (4, 0), (0, 4), (4, 4), (2, 2),
    (0, 2), (4, 2), (2, 4), (2, 0),
    (1, 1), (3, 1), (1, 3), (3, 3),
)  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A part of a frame, in pixels: left <= x < right, top <= y < bottom."""

    left: int
    top: int
    right: int
    bottom: int


def crop_sizes(base: int, size: int) -> list[tuple[int, int]]:
    """Return the (width, height) that a multi-scale crop may have in a frame of short side `base`.

    Sides are int(base * s) for s in 1, .875, .75, .66; one within 2 px of `size` becomes `size`.  Pairs are those
    whose scales are at most one step apart.
    """
    sides = [int(base * scale) for scale in _SCALES]
    sides = [size if abs(side - size) <= _SNAP_PX else side for side in sides]
    return [
        (width, height)
        for i, height in enumerate(sides)
        for j, width in enumerate(sides)
        if abs(i - j) <= _MAX_SCALE_STEPS
    ]


def crop_boxes(frame_width: int, frame_height: int, *, crop_width: int, crop_height: int) -> list[Box]:
    """Return the 13 boxes that a crop of one size may take, a fixed grid rather than any offset.

    Offsets are fractions of a pixel, and each edge is rounded half to even by itself, as the original does it: a
    box can be a pixel larger or smaller than the crop asked for.
    """
    step_x, step_y = (frame_width - crop_width) / 4, (frame_height - crop_height) / 4
    boxes = []
    for quarters_x, quarters_y in _POSITIONS:
        x, y = quarters_x * step_x, quarters_y * step_y
        boxes.append(Box(round(x), round(y), round(x + crop_width), round(y + crop_height)))
    return boxes


@dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """A random-resized crop: a part of any place, size and shape within these ranges (lowest, highest).

    area: of the part, as a share of the frame.  ratio: of its width to its height.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def draw(self, frame_width: int, frame_height: int, rng: np.random.Generator) -> Box:
        """Draw the box for the frames of one clip (Szegedy et al., arXiv 1409.4842, section 6).

        The area is uniform, and so is the logarithm of the ratio.  Where none that is drawn fits the frame,
        it is the largest part in the middle that the range of ratios allows.
        """
        low, high = self.ratio
        for _ in range(_TRIES):
            area = rng.uniform(*self.area) * frame_width * frame_height
            ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= frame_width and 0 < height <= frame_height:
                left = int(rng.integers(frame_width - width + 1))
                top = int(rng.integers(frame_height - height + 1))
                return Box(left, top, left + width, top + height)
        width = min(frame_width, max(1, round(frame_height * high)))
        height = min(frame_height, max(1, round(frame_width / low)))
        left, top = (frame_width - width) // 2, (frame_height - height) // 2
        return Box(left, top, left + width, top + height)


def draw_crop(frame_width: int, frame_height: int, *, size: int, rng: np.random.Generator) -> Box:
    """Draw the box of a multi-scale crop for the frames of one clip.

    Raises InputError where the frame is smaller than the network's `size`.
    """
    if min(frame_width, frame_height) < size:
        raise InputError(f"frame of {frame_width}x{frame_height}", f"is smaller than the crop of {size}x{size}")
    sizes = crop_sizes(min(frame_width, frame_height), size)
    width, height = sizes[rng.integers(len(sizes))]
    boxes = crop_boxes(frame_width, frame_height, crop_width=width, crop_height=height)
    return boxes[rng.integers(len(boxes))]


def training_crops(
    frames: Sequence[Frame], *, size: int, rng: np.random.Generator, crop: ResizedCrop | None = None
) -> Frame:
    """Return one random crop and flip (p = 0.5) of equally sized `frames`, (T, size, size, 3) uint8, a new array.

    crop: None for a multi-scale crop, see `draw_crop`.
    """
    height, width = frames[0].shape[:2]
    box = draw_crop(width, height, size=size, rng=rng) if crop is None else crop.draw(width, height, rng)
    flipped = rng.random() < _FLIP_PROBABILITY
    crops = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, out in zip(frames, crops, strict=True):
        part = frame[box.top : box.bottom, box.left : box.right]
        if part.shape[:2] != (size, size):
            part = cast(Frame, cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR))
        out[...] = part[:, ::-1] if flipped else part
    return crops


def validation_crops(frames: Sequence[Frame], *, size: int) -> Frame:
    """Return the centre crops of equally sized `frames`, (T, size, size, 3) uint8, a new array.

    Raises InputError where the frames are smaller than `size`.
    """
    height, width = frames[0].shape[:2]
    (view,) = crop_views("center", width, height, size=size, mirror_in_graph=True)
    crops = np.empty((len(frames), size, size, 3), np.uint8)
    for frame, out in zip(frames, crops, strict=True):
        cut_crop(frame, view, out=out)
    return crops
