"""A long video to measure on: 60 s of H.264, 1080p unless asked otherwise, as cameras deliver it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.base.progress import progress_bar

WIDTH, HEIGHT, FPS, SECONDS = 1920, 1080, 30, 60
KEYFRAME_EVERY = 60
SHORT_SIZE, SHORT_S = (640, 360), 6


def long_clip(path: Path, *, size: tuple[int, int] = (WIDTH, HEIGHT), seconds: int = SECONDS) -> Path:
    """Make the clip of `size` (width, height) at `path` unless it is there, and return the path.

    x264's medium preset with its default B-frames and a key frame every 60 frames.  A camera-like pan over a
    fixed texture with moving discs and sensor noise, so that a frame costs what real ones cost.
    """
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    texture = _texture(rng)
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "medium", "g": str(KEYFRAME_EVERY)})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        with progress_bar() as bar:
            for index in bar.track(range(FPS * seconds), description=f"making a {seconds} s clip"):
                picture = _scaled(_picture(texture, index, rng), size)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def short_clip(folder: Path) -> Path:
    """Make 6 s of 640x360 in `folder` unless they are there, and return the path."""
    width, height = SHORT_SIZE
    return long_clip(folder / f"{width}x{height}-{SHORT_S}s.mp4", size=SHORT_SIZE, seconds=SHORT_S)


def _scaled(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    import cv2

    if size == (WIDTH, HEIGHT):
        return picture
    scaled: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)


def _texture(rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return a smooth random picture, larger than a frame, (H, W, 3) of 0..255."""
    import cv2

    coarse = rng.integers(40, 216, (HEIGHT // 30, WIDTH // 30, 3)).astype(np.float32)
    fine = rng.normal(0, 12, (HEIGHT // 2, WIDTH // 2, 3)).astype(np.float32)
    size = (WIDTH + 512, HEIGHT + 256)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + cv2.resize(fine, size)
    return np.asarray(picture, np.float32).clip(0, 255).astype(np.int16)


def _picture(texture: npt.NDArray[np.int16], index: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    import cv2

    x = int(256 + 250 * np.sin(index / 90))
    y = int(128 + 120 * np.cos(index / 70))
    picture = texture[y : y + HEIGHT, x : x + WIDTH].copy()
    for disc in range(3):
        phase = index / (25 + 10 * disc)
        centre = int(960 + 700 * np.cos(phase)), int(540 + 380 * np.sin(1.3 * phase + disc))
        cv2.circle(picture, centre, 60 + 30 * disc, (250 - 80 * disc, 40 + 90 * disc, 120), -1)
    noise = rng.normal(0, 2, (HEIGHT // 2, WIDTH // 2, 1)).repeat(2, 0).repeat(2, 1)
    noisy: npt.NDArray[np.uint8] = (picture + noise).clip(0, 255).astype(np.uint8)
    return noisy
