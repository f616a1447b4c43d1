"""Moving pictures for tests, demonstrations and benchmarks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import av
import numpy as np

from pptsn.runtime.stream.sources.base import Captured, OpenSource
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.video.frame import Pixels

_DEFAULT_SIZE = (320, 240)
_DEFAULT_FPS = 25.0
# How far a texture is wider than the picture that moves over it, and by how much with each frame.
_ROOM_PX = 256
_STEP_PX = 3
_CELL_PX = 16


class SyntheticSource(OpenSource):
    """Pictures that only depend on the options: frame i is the same whenever and wherever it is drawn.

    Patterns: `bars`, a coloured texture that moves to the left under a square that moves over it; `noise`, unlike
    in every frame; `still`, the same picture always.  They go on for ever unless `frames` or `seconds` ends them,
    whichever is first.  With `live` they come at the pace of the clock, else as fast as they are taken.
    """

    def __init__(self, uri: SourceUri) -> None:
        options = uri.options
        self.live = options.live
        self.frame_rate: float = options.fps or _DEFAULT_FPS
        self._count = _frame_count(options.frames, options.seconds, self.frame_rate)
        self.duration_s = None if self._count is None else self._count / self.frame_rate
        self._painter = _Painter(options.size or _DEFAULT_SIZE, options.pattern or "bars", options.seed or 0)

    def frames(self) -> Iterator[Captured]:
        """Yield the pictures, RGB."""
        begin_s = time.monotonic()
        index = 0
        while self._count is None or index < self._count:
            pts_s = index / self.frame_rate
            if self.live:
                time.sleep(max(0.0, begin_s + pts_s - time.monotonic()))
            frame = av.VideoFrame.from_ndarray(self._painter.paint(index), format="rgb24")
            yield Captured(frame, pts_s, time.monotonic())
            index += 1

    def close(self) -> None:
        """Do nothing: nothing is held."""


def _frame_count(frames: int | None, seconds: float | None, fps: float) -> int | None:
    ends = [end for end in (frames, None if seconds is None else max(1, round(seconds * fps))) if end is not None]
    return min(ends, default=None)


class _Painter:
    def __init__(self, size: tuple[int, int], pattern: str, seed: int) -> None:
        self._width, self._height = size
        self._pattern = pattern
        self._seed = seed
        self._texture = self._make_texture(np.random.default_rng(seed))
        self._square = min(size) // 4 + 1

    def _make_texture(self, rng: np.random.Generator) -> Pixels:
        columns, rows = (self._width + _ROOM_PX) // _CELL_PX + 1, self._height // _CELL_PX + 1
        cells = rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
        grown = cells.repeat(_CELL_PX, axis=0).repeat(_CELL_PX, axis=1)
        return np.ascontiguousarray(grown[: self._height, : self._width + _ROOM_PX])

    def paint(self, index: int) -> Pixels:
        """Return frame number `index`, (H, W, 3) uint8 RGB, C-contiguous."""
        if self._pattern == "noise":
            rng = np.random.default_rng((self._seed, index))
            return rng.integers(0, 256, (self._height, self._width, 3), dtype=np.uint8)
        if self._pattern == "still":
            index = 0
        left = index * _STEP_PX % _ROOM_PX
        picture: Pixels = self._texture[:, left : left + self._width].copy()
        x = index * 2 * _STEP_PX % max(1, self._width - self._square)
        y = index * _STEP_PX % max(1, self._height - self._square)
        picture[y : y + self._square, x : x + self._square] = (index * 7 % 256, 255 - index * 5 % 256, 128)
        return picture
