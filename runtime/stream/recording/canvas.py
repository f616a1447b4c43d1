"""A canvas of one size and format on which frames of any size are put, upright, for an encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import av
import numpy as np

from pptsn.runtime.stream.recording.scaling import Scaler, fit, is_quarter, shown_size
from pptsn.runtime.video.frame import Pixels
from pptsn.runtime.video.upright import IDENTITY, Turn, turn_of, upright

_FORMAT = "yuv420p"
_BLACK = (16, 128, 128)


class Planes(NamedTuple):
    """Writable views of a yuv420p frame: (H, W), (H/2, W/2) and (H/2, W/2) uint8, limited range."""

    luma: Pixels
    blue: Pixels
    red: Pixels


def planes_of(frame: av.VideoFrame) -> Planes:
    """Return the planes of a yuv420p frame; they keep it alive."""
    return Planes(*(_view(plane) for plane in frame.planes))


def _view(plane: Any) -> Pixels:
    """Return a plane's pixels without the padding at the ends of its rows."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


class Canvas:
    """Puts frames upright on yuv420p pictures of one size, letterboxed where their shape is another.

    The size is that of the frame it is made for, upright, with square pixels, made even.
    """

    def __init__(self, frame: av.VideoFrame, pixel_aspect: float) -> None:
        width, height = shown_size(frame, turn_of(frame), pixel_aspect)
        self.width = max(2, round(width / 2) * 2)
        self.height = max(2, round(height / 2) * 2)
        self._scaler = Scaler()

    def paint(self, frame: av.VideoFrame, pixel_aspect: float) -> av.VideoFrame:
        """Return a new picture of `frame` that shares no memory with it."""
        turn = turn_of(frame)
        width, height = self._size_for(shown_size(frame, turn, pixel_aspect))
        before_turn = (height, width) if is_quarter(turn) else (width, height)
        scaled = self._scaler.scale(frame, *before_turn, _FORMAT)
        if scaled is not frame and turn == IDENTITY and (width, height) == (self.width, self.height):
            return scaled
        picture = av.VideoFrame(self.width, self.height, _FORMAT)
        _put(planes_of(scaled), planes_of(picture), turn)
        return picture

    def _size_for(self, shown: tuple[float, float]) -> tuple[int, int]:
        width, height = fit(shown, (self.width, self.height), step=2)
        # A pixel or two of black at the edge would come from rounding, not from another shape.
        if self.width - width <= 2 and self.height - height <= 2:
            return self.width, self.height
        return width, height


def _put(source: Planes, target: Planes, turn: Turn) -> None:
    """Copy `source` turned to the middle of `target`, on black."""
    for plane, place, black in zip(source, target, _BLACK, strict=True):
        turned = plane if turn == IDENTITY else upright(plane[..., None], turn)[..., 0]
        height, width = turned.shape
        if turned.shape != place.shape:
            place[:] = black
        # Offsets of the luma are even, those of the chroma half of them.
        step = 2 if black == _BLACK[0] else 1
        top = (place.shape[0] - height) // 2 // step * step
        left = (place.shape[1] - width) // 2 // step * step
        place[top : top + height, left : left + width] = turned
