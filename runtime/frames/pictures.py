"""Drawn pictures, the same for every model, on which two engines can be compared where no clip is at hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pptsn.runtime.frames.preprocess import Frame


def drawn_crops(count: int, size: int) -> Frame:
    """Return `count` crops made from a fixed seed, (count, S, S, 3) uint8 RGB: soft discs, some noise.

    As muted and smooth as real frames are, because logits run away on saturated colours; and unlike their
    mirror images, so that a wrong channel order, scale or flip shows in the logits.
    """
    rng = np.random.default_rng(400)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)[..., None] / size
    crops = np.empty((count, size, size, 3), np.uint8)
    for crop in crops:
        picture = _muted_colour(rng) + rng.uniform(-60, 60) * (x - 0.5) + rng.uniform(-60, 60) * (y - 0.5)
        for _ in range(5):
            centre_x, centre_y, radius = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.06, 0.3)
            inside = radius - np.hypot(x - centre_x, y - centre_y)
            cover = (inside * 40 + 0.5).clip(0, 1)
            picture = picture * (1 - cover) + _muted_colour(rng) * cover
        crop[...] = (picture + rng.normal(0, 2, picture.shape)).clip(0, 255)
    return crops


def _muted_colour(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a colour close to grey, (3,) in 0..255."""
    return rng.uniform(40, 190) + rng.uniform(-18, 18, 3)
