"""What a stream remembers: the logits of its latest frames, and the mean of its scores.

A new frame costs one inference, however long the window.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pptsn.runtime.engines.base import Logits


class LogitWindow:
    """The last `segments` slots of a stream's time grid, each with the mean logits of its frame, or empty.

    The mean over the filled slots is what classifying their frames afresh gives: it is computed from the frames'
    logits in float64 each time, so nothing adds up over weeks.
    """

    def __init__(self, segments: int, classes: int) -> None:
        self._rows: npt.NDArray[np.float64] = np.zeros((segments, classes))
        self._slots = np.full(segments, -1, np.int64)
        self._first = self._newest = -1

    @property
    def segments(self) -> int:
        """The number of slots."""
        return len(self._slots)

    @property
    def frames(self) -> int:
        """The number of filled slots."""
        return int(self._filled().sum())

    @property
    def span(self) -> int:
        """The number of slots from the window's beginning, or the first frame after a reset, to the newest."""
        return 0 if self._newest < 0 else min(self.segments, self._newest - self._first + 1)

    @property
    def warming_up(self) -> bool:
        """Whether less than a window has passed since the first frame."""
        return self.span < self.segments

    def add(self, slot: int, logits: npt.NDArray[np.float64]) -> None:
        """Put the mean logits (C,) of a frame into `slot`, which is later than all before."""
        if slot <= self._newest:
            raise ValueError(f"slot {slot} after slot {self._newest}")
        if self._first < 0:
            self._first = slot
        self._newest = slot
        self._rows[slot % self.segments] = logits
        self._slots[slot % self.segments] = slot

    def mean(self) -> Logits:
        """Return the mean logits (C,) float32 of the frames; raises ValueError where there is none."""
        filled = self._filled()
        if not filled.any():
            raise ValueError("the window is empty")
        result: Logits = self._rows[filled].mean(axis=0).astype(np.float32)
        return result

    def reset(self) -> None:
        """Forget all frames."""
        self._slots[:] = -1
        self._first = self._newest = -1

    def _filled(self) -> npt.NDArray[np.bool_]:
        result: npt.NDArray[np.bool_] = (self._slots >= 0) & (self._slots > self._newest - self.segments)
        return result


class Smoother:
    """Smooths scores whose times need not be regular.

    A new score weighs 1 - exp(-dt / tau), dt being the seconds since the one before: how often a stream is looked
    at does not change how fast the mean follows.  The mean of probabilities is one: it still sums to 1.

    tau_s: the time constant; 0 hands the scores on as they are.
    """

    def __init__(self, tau_s: float) -> None:
        self._tau_s = tau_s
        self._mean: npt.NDArray[np.float64] | None = None
        self._time_s = 0.0

    def add(self, scores: Logits, time_s: float) -> Logits:
        """Return the mean with `scores`, (C,) float32; the caller's own array where there is nothing to smooth.

        A time before the last one counts as the same time: such scores weigh nothing.
        """
        if self._tau_s <= 0:
            return scores
        if self._mean is None:
            self._mean = scores.astype(np.float64)
        else:
            weight = -math.expm1(-max(0.0, time_s - self._time_s) / self._tau_s)
            self._mean += weight * (scores - self._mean)
        self._time_s = time_s
        return self._mean.astype(np.float32)

    def reset(self) -> None:
        """Forget what came before."""
        self._mean = None
