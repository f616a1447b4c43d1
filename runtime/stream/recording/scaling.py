"""The shape that a decoded frame has on a screen, and scaling frames without RGB in between."""

from __future__ import annotations

from typing import Any

import av
from av.video.reformatter import VideoReformatter

from pptsn.runtime.video.picture import ONE_THREAD
from pptsn.runtime.video.upright import Turn

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
