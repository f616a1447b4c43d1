"""Frames of any size and shape for people: scaled without RGB in between, upright on a canvas of one size."""

from __future__ import annotations

from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from pptsn.runtime.video.frame import Pixels
from pptsn.runtime.video.picture import ONE_THREAD
from pptsn.runtime.video.upright import IDENTITY, Turn, upright

_FORMAT = "yuv420p"
_BLACK = (16, 128, 128)

# Pixels that are longer than this, either way, are damage rather than a picture.
_MAX_PIXEL_ASPECT = 4.0

# FFmpeg's AVCOL_RANGE_JPEG.
_FULL_RANGE = 2


def shown_size(frame: av.VideoFrame, turn: Turn, pixel_aspect: float) -> tuple[float, float]:
    """Return the (width, height) of `frame` upright, in square pixels; neither side is shrunk for that.

    pixel_aspect: width of a pixel over its height, before the turn.  PyAV's frames do not tell; streams do.
    """
    width, height = float(frame.width), float(frame.height)
    if 1 < pixel_aspect <= _MAX_PIXEL_ASPECT:
        width *= pixel_aspect
    elif 1 / _MAX_PIXEL_ASPECT <= pixel_aspect < 1:
        height /= pixel_aspect
    return (height, width) if is_quarter(turn) else (width, height)


def is_quarter(turn: Turn) -> bool:
    """Whether `turn` exchanges width and height."""
    a, b, c, d = turn
    return abs(b) + abs(c) > abs(a) + abs(d)


def fit(size: tuple[float, float], within: tuple[int, int], *, step: int = 1) -> tuple[int, int]:
    """Return the largest (width, height) in the shape of `size` that `within` holds, in multiples of `step`.

    `within` is in multiples of `step` as well.
    """
    scale = min(within[0] / size[0], within[1] / size[1])
    width, height = (max(step, round(side * scale / step) * step) for side in size)
    return min(width, within[0]), min(height, within[1])


def _ranges(frame: av.VideoFrame, pixel_format: str) -> dict[str, Any]:
    """Return what makes full-range YUV limited: decoders state it beside the format, where libswscale is blind."""
    if frame.color_range == _FULL_RANGE and pixel_format.startswith("yuv"):
        return {"src_color_range": "JPEG", "dst_color_range": "MPEG"}
    return {}


class Scaler:
    """Scales and converts frames with libswscale, in the calling thread; it keeps the scaler between frames.

    interpolation: "BILINEAR", or "AREA", which is the faster one where pictures become much smaller.
    """

    def __init__(self, interpolation: str = "BILINEAR") -> None:
        self._reformatter = VideoReformatter()
        self._interpolation = interpolation

    def scale(self, frame: av.VideoFrame, width: int, height: int, pixel_format: str) -> av.VideoFrame:
        """Return `frame` in that size and format, YUV in limited range; `frame` itself where it is so already."""
        return self._reformatter.reformat(
            frame,
            width,
            height,
            pixel_format,
            interpolation=self._interpolation,
            **_ranges(frame, pixel_format),
            **ONE_THREAD,
        )


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

    def __init__(self, frame: av.VideoFrame, pixel_aspect: float, turn: Turn) -> None:
        width, height = shown_size(frame, turn, pixel_aspect)
        self.width = max(2, round(width / 2) * 2)
        self.height = max(2, round(height / 2) * 2)
        self._scaler = Scaler()

    def paint(self, frame: av.VideoFrame, pixel_aspect: float, turn: Turn) -> av.VideoFrame:
        """Return a new picture of `frame`, turned by `turn`, that shares no memory with it."""
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
    for plane, canvas, black in zip(source, target, _BLACK, strict=True):
        turned = plane if turn == IDENTITY else upright(plane[..., None], turn)[..., 0]
        height, width = turned.shape
        if turned.shape != canvas.shape:
            canvas[:] = black
        # Offsets of the luma are even, those of the chroma half of them.
        step = 2 if black == _BLACK[0] else 1
        top = (canvas.shape[0] - height) // 2 // step * step
        left = (canvas.shape[1] - width) // 2 // step * step
        canvas[top : top + height, left : left + width] = turned
