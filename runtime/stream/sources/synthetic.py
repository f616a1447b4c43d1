"""Moving pictures for tests, demonstrations and benchmarks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pptsn.runtime.base.options import number, one_of, option, switch, whole
from pptsn.runtime.stream.sources.base import Captured, OpenSource, SourceKind, SourceUri
from pptsn.runtime.stream.sources.clock import DEFAULT_FPS
from pptsn.runtime.stream.sources.options import SourceOptions, fps_option, size_option

if TYPE_CHECKING:
    import numpy as np

    from pptsn.runtime.video.frame import Pixels

PATTERNS = ("bars", "noise", "still")
_TEXT = re.compile(r"synthetic:(?:\?.*)?", re.IGNORECASE)
_MAX_FRAMES = 10**12
_DEFAULT_SIZE = (320, 240)
# How far a texture is wider than the picture that moves over it, and by how much with each frame.
_ROOM_PX = 256
_STEP_PX = 3
_CELL_PX = 16


@dataclass(frozen=True)
class SyntheticOptions(SourceOptions):
    """The options of pictures that are made here."""

    fps: float | None = fps_option(f"Frames a second; {DEFAULT_FPS:g} if not given.")
    frames: int | None = option("Frames after which they end.", default=None, parse=whole(1, _MAX_FRAMES))
    live: bool = option(
        "At the pace of the clock rather than as fast as they are taken.",
        default=False,
        parse=switch,
    )
    pattern: str | None = option("What they show; bars if not given.", default=None, parse=one_of(PATTERNS))
    seconds: float | None = option(
        "Seconds after which they end.", default=None, parse=number(0.001, 1e9, "seconds")
    )
    seed: int | None = option("Of what chance decides.", default=None, parse=whole(0, 2**32 - 1))
    size: tuple[int, int] | None = size_option("Picture size; 320x240 if not given.")


class SyntheticKind(SourceKind[SyntheticOptions]):
    """Moving pictures, made here."""

    form = "synthetic:"
    help = "test pictures"
    options = SyntheticOptions
    schemes = ("synthetic:",)

    def claims(self, text: str) -> bool:
        """Whether `text` is synthetic:, with options or without."""
        return _TEXT.fullmatch(text) is not None

    def parse(self, text: str) -> SourceUri:
        """Return the pictures that the options ask for."""
        return self.uri("", text.partition("?")[2], display=text)

    def is_live_at(self, target: str, options: SyntheticOptions) -> bool:
        """Whether they shall come at the pace of the clock."""
        return options.live

    def open(
        self, uri: SourceUri, options: SyntheticOptions, *, timeout_s: float, stdin_fd: int | None
    ) -> OpenSource:
        """Return the pictures."""
        return SyntheticSource(options)


class SyntheticSource(OpenSource):
    """Pictures that only depend on the options: frame i is the same whenever and wherever it is drawn.

    Patterns: `bars`, a coloured texture that moves to the left under a square that moves over it; `noise`, unlike
    in every frame; `still`, the same picture always.  They go on for ever unless `frames` or `seconds` ends them,
    whichever is first.  With `live` they come at the pace of the clock, else as fast as they are taken.
    """

    def __init__(self, options: SyntheticOptions) -> None:
        self.live = options.live
        self.frame_rate: float = options.fps or DEFAULT_FPS
        self._count = _frame_count(options.frames, options.seconds, self.frame_rate)
        self.duration_s = None if self._count is None else self._count / self.frame_rate
        self._painter = _Painter(options.size or _DEFAULT_SIZE, options.pattern or "bars", options.seed or 0)

    def frames(self) -> Iterator[Captured]:
        """Yield the pictures, RGB."""
        import av

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
        self._texture = self._make_texture(self._random(seed))
        self._seed = seed
        self._square = min(size) // 4 + 1

    @staticmethod
    def _random(*seed: int) -> np.random.Generator:
        import numpy as np

        return np.random.default_rng(seed if len(seed) > 1 else seed[0])

    def _make_texture(self, rng: np.random.Generator) -> Pixels:
        columns, rows = (self._width + _ROOM_PX) // _CELL_PX + 1, self._height // _CELL_PX + 1
        cells = rng.integers(0, 256, (rows, columns, 3), dtype="uint8")
        grown = cells.repeat(_CELL_PX, axis=0).repeat(_CELL_PX, axis=1)
        return grown[: self._height, : self._width + _ROOM_PX]

    def paint(self, index: int) -> Pixels:
        """Return frame number `index`, (H, W, 3) uint8 RGB, C-contiguous."""
        if self._pattern == "noise":
            rng = self._random(self._seed, index)
            return rng.integers(0, 256, (self._height, self._width, 3), dtype="uint8")
        if self._pattern == "still":
            index = 0
        left = index * _STEP_PX % _ROOM_PX
        picture: Pixels = self._texture[:, left : left + self._width].copy()
        x = index * 2 * _STEP_PX % max(1, self._width - self._square)
        y = index * _STEP_PX % max(1, self._height - self._square)
        picture[y : y + self._square, x : x + self._square] = (index * 7 % 256, 255 - index * 5 % 256, 128)
        return picture
