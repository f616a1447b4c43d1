"""Colours changed at random, as `ColorJitter` of torchvision and Paddle does it: once for all frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ColourJitter:
    """How far colours may change.

    brightness, contrast, saturation: the most that a factor differs from 1; it is 0 at least.
    hue: the most that it turns either way, in turns, 0..0.5.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def draw(self, rng: np.random.Generator) -> list[tuple[Change, float]]:
        """Draw what is to be done to the frames of one clip, in this order, and how much of each."""
        factors = [
            rng.uniform(max(0.0, 1.0 - most), 1.0 + most)
            for most in (self.brightness, self.contrast, self.saturation)
        ]
        amounts = [*factors, rng.uniform(-self.hue, self.hue)]
        changes = list(zip((brightened, contrasted, saturated, turned), amounts, strict=True))
        # What is not asked for would round all the same.
        asked = (self.brightness, self.contrast, self.saturation, self.hue)
        return [changes[index] for index in rng.permutation(len(changes)) if asked[index]]


def jitter_clip(frames: Frame, jitter: ColourJitter, rng: np.random.Generator) -> None:
    """Change the colours of `frames`, (T, H, W, 3) uint8 RGB, in place and all alike."""
    changes = jitter.draw(rng)
    for frame in frames:
        for change, amount in changes:
            frame[...] = change(frame, amount)


def brightened(frame: Frame, factor: float) -> Frame:
    """Return `frame`, (H, W, 3) uint8 RGB as in all of these, with its values times `factor`."""
    return cast(Frame, cv2.convertScaleAbs(frame, alpha=factor))


def contrasted(frame: Frame, factor: float) -> Frame:
    """Return `frame` with the distances from its mean grey times `factor`."""
    mean = float(cv2.mean(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))[0])
    return cast(Frame, cv2.addWeighted(frame, factor, frame, 0.0, (1.0 - factor) * mean))


def saturated(frame: Frame, factor: float) -> Frame:
    """Return `frame` with the distances of its pixels from their greys times `factor`."""
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cast(Frame, cv2.addWeighted(frame, factor, grey, 1.0 - factor, 0.0))


def turned(frame: Frame, turns: float) -> Frame:
    """Return `frame` with its hues turned by `turns`, of which 1/3 makes red green."""
    hsv = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2HSV)  # in 8 bits it has 256 hues, and changes all
    hsv[..., 0] = (hsv[..., 0] + 360.0 * turns) % 360.0
    return np.asarray(np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)), np.uint8)


Change = Callable[[Frame, float], Frame]
