"""Videos that are drawn here, to measure on: a frame costs what a camera's does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from pptsn.runtime.video.frame import Pixels

FPS = 30
KEYFRAME_EVERY = 60
# The scene is laid out in pixels of this size, and drawn in any.
_WIDTH, _HEIGHT = 1920, 1080
_ROOM_X, _ROOM_Y = 512, 256


class Scene:
    """A camera-like pan over a fixed texture with moving discs and sensor noise.

    width, height: of its pictures.  They are drawn in order: the noise of each is another.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._scale_x, self._scale_y = width / _WIDTH, height / _HEIGHT
        self._rng = np.random.default_rng(0)
        self._texture = self._drawn_texture()

    def picture(self, index: int) -> Pixels:
        """Return frame number `index`, (height, width, 3) uint8 RGB."""
        import cv2

        x = int(self._scale_x * (256 + 250 * np.sin(index / 90)))
        y = int(self._scale_y * (128 + 120 * np.cos(index / 70)))
        picture = self._texture[y : y + self._height, x : x + self._width].copy()
        for disc in range(3):
            phase = index / (25 + 10 * disc)
            centre = (
                int(self._scale_x * (960 + 700 * np.cos(phase))),
                int(self._scale_y * (540 + 380 * np.sin(1.3 * phase + disc))),
            )
            radius = int(self._scale_y * (60 + 30 * disc))
            cv2.circle(picture, centre, radius, (250 - 80 * disc, 40 + 90 * disc, 120), -1)
        coarse = self._rng.normal(0, 2, (self._height // 2, self._width // 2, 1))
        noisy: Pixels = (picture + coarse.repeat(2, 0).repeat(2, 1)).clip(0, 255).astype(np.uint8)
        return noisy

    def _drawn_texture(self) -> npt.NDArray[np.int16]:
        """Return a smooth random picture, larger than a frame by what the pan needs, (H, W, 3) of 0..255."""
        import cv2

        coarse = self._rng.integers(40, 216, (_HEIGHT // 30, _WIDTH // 30, 3)).astype(np.float32)
        fine = self._rng.normal(0, 12, (self._height // 2, self._width // 2, 3)).astype(np.float32)
        size = (self._width + int(self._scale_x * _ROOM_X), self._height + int(self._scale_y * _ROOM_Y))
        picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + cv2.resize(fine, size)
        return np.asarray(picture, np.float32).clip(0, 255).astype(np.int16)


def write_drawn(path: Path, pictures: Iterable[Pixels], size: tuple[int, int]) -> None:
    """Write `pictures` of `size` (width, height), both even, to `path` as cameras deliver them.

    H.264 in MP4: x264's medium preset with its default B-frames and a key frame every 60 frames; MPEG-4 where
    this FFmpeg has no x264.
    """
    codec, options = "mpeg4", {"g": str(KEYFRAME_EVERY)}
    if "libx264" in av.codecs_available:
        codec, options = "libx264", {"preset": "medium", **options}
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
