"""An exponential mean of scores over presentation time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pptsn.runtime.engines.base import Logits


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
