"""Turning a decoded picture upright, by the display matrix of its frame."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type

from pptsn.runtime.video.frame import Pixels

if TYPE_CHECKING:
    import av

# (a, b, c, d) of the display matrix: a pixel at (x, y) is shown at (a*x + c*y, b*x + d*y), y pointing down.
Turn = tuple[int, int, int, int]
IDENTITY: Turn = (1, 0, 0, 1)

# What PyAV's `frame.rotation` (degrees counterclockwise) means, for versions that keep the matrix to themselves.
_QUARTER_TURNS: tuple[Turn, ...] = (IDENTITY, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


def turn_of(frame: av.VideoFrame) -> Turn:
    """Return how `frame` is to be turned and mirrored to stand upright."""
    try:
        # `frame.side_data` would do, but the frame keeps it, and it keeps the frame: 3 MB at 1080p, until Python
        # comes to look for such circles.
        side_data: Any = SideDataContainer(frame)  # type: ignore[call-arg]  # PyAV's types have no arguments
        data = side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # another side datum of this frame is of a type that this PyAV does not know
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if data is None:
        return IDENTITY
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    return (a, b, c, d)


class Turns:
    """How the pictures of a stream are to be turned, where but some say so, as by H.264's SEI messages.

    What one says holds until another says something else.
    """

    def __init__(self) -> None:
        self._turn = IDENTITY

    def saw(self, frame: av.VideoFrame) -> None:
        """Take a picture that is not wanted itself; all of a stream are due, in the decoder's order."""
        if frame.key_frame:
            self.of(frame)

    def of(self, frame: av.VideoFrame) -> Turn:
        """Return how `frame` is to be turned: as it says itself, or as the last one before that did."""
        turn = turn_of(frame)
        if turn != IDENTITY:
            self._turn = turn
        return self._turn


def upright(pixels: Pixels, turn: Turn) -> Pixels:
    """Return (H, W, 3) `pixels` turned by `turn`, C-contiguous: the array itself where nothing is to be done.

    Turns that are no multiple of 90 degrees are taken to the nearest one, as players without resampling do.
    """
    a, b, c, d = turn
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.transpose(1, 0, 2)
        left_right, upside_down = c < 0, b < 0
    else:
        left_right, upside_down = a < 0, d < 0
    if left_right:
        pixels = pixels[:, ::-1]
    if upside_down:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
