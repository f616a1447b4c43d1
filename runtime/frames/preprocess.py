"""From a decoded frame to the uint8 crops that the deployment graph takes.

The one implementation of resizing and of view geometry; training, calibration and evaluation use it too.
Frames are (H, W, 3) uint8 RGB throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.frames.views import View, ten_crop_positions

Frame = npt.NDArray[np.uint8]

RESIZE_RULES = ("fixed_ratio", "keep_aspect", "keep_aspect_floor")

# `fixed_ratio` makes every frame 4:3, whatever it was.
_FIXED_ASPECT = 4 / 3
# A 32:1 strip resized to a short side of 256 takes 6 MB; beyond that lies damage rather than video.
_MAX_ASPECT = 32


def scaled_size(width: int, height: int, *, short_side: int, rule: str) -> tuple[int, int]:
    """Return (width, height) of a frame resized so that its short side is `short_side`.

    fixed_ratio: the long side becomes int(short_side * 4/3); a square counts as portrait (published inference).
    keep_aspect: int(long * short_side / short + 0.5) (published training and validation).
    keep_aspect_floor: int(long * short_side / short) (published test on video files).
    A frame whose short side already fits is left alone by every rule.
    """
    if rule not in RESIZE_RULES:
        raise UsageError("resize rule", f"unknown rule {rule!r}", f"choose one of {', '.join(RESIZE_RULES)}")
    short, long = min(width, height), max(width, height)
    if short == short_side:
        return width, height
    if rule == "fixed_ratio":
        long_scaled = int(short_side * _FIXED_ASPECT)
    elif long > _MAX_ASPECT * short:
        raise InputError(f"frame of {width}x{height}", f"is more than {_MAX_ASPECT} times longer than wide")
    elif width == height:
        long_scaled = short_side
    else:
        rounding = 0.5 if rule == "keep_aspect" else 0.0
        long_scaled = int(long * short_side / short + rounding)
    return (long_scaled, short_side) if width > height else (short_side, long_scaled)


def resize_frame(frame: Frame, *, short_side: int, rule: str) -> Frame:
    """Return `frame` resized by `rule` with bilinear interpolation, without antialiasing (OpenCV INTER_LINEAR).

    Returns `frame` itself where its size already fits.
    """
    import cv2

    height, width = frame.shape[:2]
    size = scaled_size(width, height, short_side=short_side, rule=rule)
    if size == (width, height):
        return frame
    resized: Any = cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_LINEAR)
    return resized  # type: ignore[no-any-return]


def cut_crop(frame: Frame, view: View, *, out: Frame) -> None:
    """Copy the crop `view` of `frame` into `out`, (S, S, 3) uint8: the only copy between frame and batch."""
    size = out.shape[0]
    crop = frame[view.y : view.y + size, view.x : view.x + size]
    out[...] = crop[:, ::-1] if view.flipped else crop


def ten_crop(frames: Sequence[Frame], *, size: int) -> Frame:
    """Return all ten crops of equally sized `frames`, (10 * len(frames), S, S, 3) uint8, in published order.

    For each of the five positions: that crop of all frames, then the same crops mirrored.  The runtime never
    needs this array; it is the plain definition that tests and `reference.npz` are made from.
    """
    stack = np.stack(frames)
    height, width = stack.shape[1:3]
    parts = []
    for x, y in ten_crop_positions(width, height, size):
        crop = stack[:, y : y + size, x : x + size]
        parts += [crop, crop[:, :, ::-1]]
    return np.concatenate(parts)


def normalise(crops: Frame, *, mean: Sequence[float], std: Sequence[float]) -> npt.NDArray[np.float32]:
    """Return (N, S, S, 3) uint8 crops as the network's (N, 3, S, S) float32: (x / 255 - mean) / std."""
    scaled = (crops.astype(np.float32) / np.float32(255) - np.asarray(mean, np.float32)) / np.asarray(
        std, np.float32
    )
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
