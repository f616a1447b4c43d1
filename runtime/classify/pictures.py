"""Small pictures of a clip, of the frames that are looked at anyway: what people know a clip by."""

from __future__ import annotations

import cv2
import numpy as np

from pptsn.runtime.decoding.clips import ClipFrame
from pptsn.runtime.frames.preprocess import Frame

MOST_HEIGHT, MOST_WIDTH = 96, 224


class ClipPictures:
    """Takes a clip's frames as they come, and keeps small pictures of up to `count`, evenly spread in time.

    segments: of the clip.  One frame may stand for several of the pictures; then there are fewer.
    """

    def __init__(self, count: int, segments: int) -> None:
        # Of each of `count` equal parts of the clip, the segment in its middle.
        self._wanted = [(2 * part + 1) * segments // (2 * count) for part in range(count)]
        self._kept: dict[int, Frame] = {}

    def add(self, frame: ClipFrame) -> None:
        """Keep a small picture of `frame`, where it is one of those that are wanted."""
        if any(frame.segment <= segment < frame.segment + frame.weight for segment in self._wanted):
            self._kept[frame.index] = small_picture(frame.pixels)

    @property
    def pictures(self) -> tuple[Frame, ...]:
        """What was kept, in the clip's order: up to (96, 224, 3) uint8 RGB each."""
        return tuple(self._kept[index] for index in sorted(self._kept))


def small_picture(pixels: Frame) -> Frame:
    """Return a frame (H, W, 3) at the largest size within 96 x 224, in memory of its own."""
    height, width = pixels.shape[:2]
    scale = min(MOST_HEIGHT / height, MOST_WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
