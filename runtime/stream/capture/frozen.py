"""Noticing a picture that stands still: a camera that hangs often goes on sending its last picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from pptsn.runtime.video.frame import Pixels

# What an encoder makes of one still picture differs from moment to moment: every key frame quantizes it anew.  The
# levels below are above what libx264 did at 150 kbit/s and crf 35 with groups of 12 pictures, for five scenes at
# 640x360 and 1280x720: a pixel by up to 64, the mean of 4x4 pixels by 16, of 16x16 by 6, of all by 0.3.
_PIXEL_LEVELS = 80
_CELL_LEVELS = 20
_AREA_LEVELS = 10
_MEAN_LEVELS = 2.0
_CELL_PX = 4

# Those differences are larger than a camera's noise.  But within a group of pictures an encoder repeats a still
# picture nearly exactly, and noise never does.  So a share of the last pictures must repeat one not long before:
# all but _NOISY_SHARE of the pixels the same, to a level.
_NOISY_SHARE = 0.05
_REPEATS_SHARE = 0.1
_COMPARED = 8
_REMEMBERED = 30
_PROBE_STEP_PX = 3

# Pictures are thinned out to about this short side.
_SHORT_SIDE_PX = 256


@dataclass(frozen=True, eq=False)
class _Look:
    """A picture at three scales, in grey levels; copies."""

    pixels: Pixels
    cells: Pixels
    areas: Pixels
    mean: float

    def differs(self, other: _Look) -> bool:
        return (
            abs(self.mean - other.mean) > _MEAN_LEVELS
            or _largest_difference(self.areas, other.areas) > _AREA_LEVELS
            or _largest_difference(self.cells, other.cells) > _CELL_LEVELS
            or _largest_difference(self.pixels, other.pixels) > _PIXEL_LEVELS
        )


class FrozenDetector:
    """Tells whether a picture has not changed for `after_s` seconds.  For use by one thread.

    An encoder's changing errors are no change; noise, a moving object of 6x6 pixels, the digits of a clock, and a
    fade by two levels within `after_s` are.  Where pictures are looked at less often than the source has key
    frames, a frozen one may go unnoticed: better that than an alarm for a quiet scene.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        # The first picture of the still period, not the last one: a slow fade must add up.
        self._first: _Look | None = None
        self._since_s = 0.0
        self._last_s = 0.0
        self._frozen = False
        self._probes: deque[Pixels] = deque(maxlen=_COMPARED)
        self._repeats: deque[bool] = deque(maxlen=_REMEMBERED)

    def add(self, pixels: Pixels, time_s: float) -> bool:
        """Return whether the picture has stood still for `after_s` at `time_s`.

        pixels: (H, W, 3) uint8 RGB, the picture at that time; not kept.
        """
        look = _look_at(pixels)
        probe = np.ascontiguousarray(look.pixels[::_PROBE_STEP_PX, ::_PROBE_STEP_PX])
        repeats = any(_repeats(probe, earlier) for earlier in self._probes)
        self._probes.append(probe)
        first = self._first
        if (
            first is None
            or time_s < self._last_s
            or first.pixels.shape != look.pixels.shape
            or look.differs(first)
        ):
            self._first, self._since_s = look, time_s
            self._repeats.clear()
        else:
            self._repeats.append(repeats)
        self._last_s = time_s
        # One repeat in all that is remembered keeps it frozen: at the limit it would come and go.
        enough = 1 if self._frozen else max(1, _REPEATS_SHARE * len(self._repeats))
        self._frozen = time_s - self._since_s >= self._after_s and sum(self._repeats) >= enough
        return self._frozen


def _look_at(pixels: Pixels) -> _Look:
    step = max(1, min(pixels.shape[:2]) // _SHORT_SIDE_PX)
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[::step, ::step]), cv2.COLOR_RGB2GRAY), np.uint8)
    cells = _shrink(grey)
    areas = _shrink(cells)
    return _Look(grey, cells, areas, float(cv2.mean(cells)[0]))


def _shrink(grey: Pixels) -> Pixels:
    height, width = (max(1, side // _CELL_PX) for side in grey.shape)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _largest_difference(one: Pixels, other: Pixels) -> float:
    return float(cv2.norm(one, other, cv2.NORM_INF))


def _repeats(probe: Pixels, earlier: Pixels) -> bool:
    if probe.shape != earlier.shape:
        return False
    changed = np.count_nonzero(cv2.absdiff(probe, earlier) > 1)
    return bool(changed <= _NOISY_SHARE * probe.size)
