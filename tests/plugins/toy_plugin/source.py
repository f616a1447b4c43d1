"""A source of pictures in one colour: `toy:red?frames=8`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.options import number, option, whole
from pptsn.runtime.stream.sources.base import Captured, OpenSource, SourceKind, SourceUri
from pptsn.runtime.stream.sources.options import SourceOptions

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@dataclass(frozen=True)
class ToyOptions(SourceOptions):
    """The options of a toy."""

    fps: float = option("Frames a second.", default=25.0, parse=number(1, 1000))
    frames: int = option("How many there are.", default=100, parse=whole(1, 10**6))


class ToySource(SourceKind[ToyOptions]):
    """Pictures in one colour."""

    form = "toy:COLOUR"
    help = "pictures in one colour"
    options = ToyOptions

    def open(self, uri: SourceUri, options: ToyOptions, *, timeout_s: float, stdin_fd: int | None) -> OpenSource:
        """Return the pictures; raises InputError for a colour that there is not."""
        if uri.target not in COLOURS:
            raise InputError(uri.display, "there is no such colour", f"choose one of {', '.join(COLOURS)}")
        return ToyPictures(COLOURS[uri.target], options)


class ToyPictures(OpenSource):
    """Pictures in one colour, as fast as they are taken."""

    live = False

    def __init__(self, colour: tuple[int, int, int], options: ToyOptions) -> None:
        self._colour, self._count = colour, options.frames
        self.frame_rate: float = options.fps
        self.duration_s: float = options.frames / options.fps

    def frames(self) -> Iterator[Captured]:
        """Yield the pictures."""
        import av
        import numpy as np

        pixels = np.full((48, 64, 3), self._colour, np.uint8)
        for index in range(self._count):
            yield Captured(av.VideoFrame.from_ndarray(pixels), index / self.frame_rate, time.monotonic())

    def close(self) -> None:
        """Do nothing: nothing is held."""
