"""Small pictures in sheets: one file for many, which a browser loads when the first of them is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pptsn.runtime.classify.pictures import MOST_HEIGHT
from pptsn.runtime.frames.preprocess import Frame

_SHELVES, _WIDTH = 16, 1600
# JPEG works in blocks of so many pixels: pictures that share none do not colour each other.
_BLOCK = 16
_QUALITY = 75


@dataclass(frozen=True)
class Place:
    """Where a picture lies: the number of its sheet, from 0, and its left, top, width and height in pixels."""

    sheet: int
    left: int
    top: int
    width: int
    height: int


def sheet_name(number: int) -> str:
    """Return the name of a sheet's file."""
    return f"frames-{number:05d}.jpg"


class SheetWriter:
    """Puts pictures side by side onto shelves, and writes each sheet into `folder` when it is full.

    Memory: one sheet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 0  # of the sheets that were written
        self._begin()

    def _begin(self) -> None:
        self._sheet = np.zeros((_SHELVES * MOST_HEIGHT, _WIDTH, 3), np.uint8)
        self._shelf, self._left = 0, 0

    def add(self, pictures: Sequence[Frame]) -> list[Place]:
        """Take the pictures of one clip, (H, W, 3) uint8 RGB; return where they lie, all on one sheet.

        Raises OSError where a sheet cannot be written.
        """
        widths = [-(-picture.shape[1] // _BLOCK) * _BLOCK for picture in pictures]
        if self._left + sum(widths) > _WIDTH:
            self._shelf, self._left = self._shelf + 1, 0
        if self._shelf == _SHELVES:
            self._write()
        places = []
        for picture, room in zip(pictures, widths, strict=True):
            height, width = picture.shape[:2]
            place = Place(self.count, self._left, self._shelf * MOST_HEIGHT, width, height)
            self._sheet[place.top : place.top + height, place.left : place.left + width] = picture
            places.append(place)
            self._left += room
        return places

    def add_sheet(self, data: bytes) -> int:
        """Take the JPEG of a whole sheet that another page had, and return its number; before any picture.

        Raises OSError where it cannot be written.
        """
        (self._folder / sheet_name(self.count)).write_bytes(data)
        self.count += 1
        return self.count - 1

    def close(self) -> None:
        """Write the last sheet, as far as it is used; raises OSError where that fails."""
        if self._left or self._shelf:
            self._write()

    def _write(self) -> None:
        used = self._sheet[: min(self._shelf + 1, _SHELVES) * MOST_HEIGHT, :, ::-1]
        _, data = cv2.imencode(".jpg", used, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        (self._folder / sheet_name(self.count)).write_bytes(data.tobytes())
        self.count += 1
        self._begin()
