"""A long video to measure on: 60 s of H.264, 1080p unless asked otherwise, as cameras deliver it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.base.progress import progress_bar
from pptsn.runtime.video.drawn import FPS, Scene, write_drawn
from pptsn.runtime.video.frame import Pixels

WIDTH, HEIGHT, SECONDS = 1920, 1080, 60
SHORT_SIZE, SHORT_S = (640, 360), 6


def long_clip(path: Path, *, size: tuple[int, int] = (WIDTH, HEIGHT), seconds: int = SECONDS) -> Path:
    """Make the clip of `size` (width, height) at `path` unless it is there, and return the path."""
    if path.exists():
        return path
    scene = Scene(WIDTH, HEIGHT)
    with atomic_file(path) as temporary, progress_bar() as bar:
        numbers = bar.track(range(FPS * seconds), description=f"making a {seconds} s clip")
        write_drawn(temporary, (_scaled(scene.picture(number), size) for number in numbers), size)
    return path


def short_clip(folder: Path) -> Path:
    """Make 6 s of 640x360 in `folder` unless they are there, and return the path."""
    width, height = SHORT_SIZE
    return long_clip(folder / f"{width}x{height}-{SHORT_S}s.mp4", size=SHORT_SIZE, seconds=SHORT_S)


def _scaled(picture: Pixels, size: tuple[int, int]) -> Pixels:
    import cv2

    if size == (WIDTH, HEIGHT):
        return picture
    scaled: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)
