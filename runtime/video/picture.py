"""From a decoder's frame to RGB pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from pptsn.runtime.base.stages import COLOUR, stage
from pptsn.runtime.video.frame import Transform, VideoFrame
from pptsn.runtime.video.upright import Turn, Turns, upright


def _reformat_options() -> dict[str, Any]:
    """One thread: a picture is too little work for more, and they would take the decoder's cores."""
    try:
        VideoReformatter().reformat(av.VideoFrame(16, 16), format="rgb24", threads=1)
    except TypeError:  # PyAV before `threads`
        return {}
    return {"threads": 1}


# What keeps libswscale in the calling thread, as far as this PyAV can be told.
ONE_THREAD = _reformat_options()


class PictureMaker:
    """Makes frames of a source upright and RGB.  One for each thread: it keeps FFmpeg's scaler between frames."""

    def __init__(self, source: str, time_base: Fraction | None, transform: Transform | None = None) -> None:
        self._source = source
        # The stream's: a frame that the decoder still held at the end of the file has lost its own.
        self._time_base = time_base
        self._transform = transform
        self._reformatter = VideoReformatter()
        self._turns = Turns()

    def saw(self, frame: av.VideoFrame) -> None:
        """Take a frame that may not be wanted; where only key frames say how they are held, others go by them."""
        self._turns.saw(frame)

    def turn_of(self, frame: av.VideoFrame) -> Turn:
        """Return how `frame` is to be turned; all frames are due, in the decoder's order, or `saw` takes them."""
        return self._turns.of(frame)

    def make(self, frame: av.VideoFrame, index: int) -> VideoFrame:
        """Return `frame` as frame number `index`, transformed."""
        with stage(COLOUR):
            rgb = self._reformatter.reformat(frame, format="rgb24", **ONE_THREAD)
            decoded: Any = rgb.to_ndarray()
            pixels = upright(decoded, self.turn_of(frame))
        if self._transform is not None:
            pixels = self._transform(pixels)
        pts_s = None
        if frame.pts is not None and self._time_base is not None:
            pts_s = float(frame.pts * self._time_base)
        return VideoFrame(pixels, index, pts_s, self._source)
