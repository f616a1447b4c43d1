"""What calibration remembers of a tensor: its range, and a histogram that grows with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Counts on each side of zero.  The range doubles when a value falls outside, so that at least half of them, 2048,
# lie within the final range: what the entropy method is defined for.
BINS = 4096


class Histogram:
    """Counts of a tensor's values, kept while batches come by.

    low, high: the smallest and largest value so far.
    limit: a power of two; the counts cover -limit..limit in 2 * BINS equal bins.
    counts: (2 * BINS,) int64.
    """

    def __init__(
        self,
        low: float = np.inf,
        high: float = -np.inf,
        limit: float = 0.0,
        counts: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.low, self.high, self.limit = low, high, limit
        self.counts: npt.NDArray[np.int64] = np.zeros(2 * BINS, np.int64) if counts is None else counts

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Count `values`, of any shape; raises ValueError where one is not finite."""
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low) or not np.isfinite(high):
            raise ValueError("holds values that are not finite")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._cover(max(-low, high))
        bins = (values.ravel() * np.float32(BINS / self.limit)).astype(np.int32)
        if low < 0:
            bins[values.ravel() < 0] -= 1  # truncation goes towards zero, bins go down
        np.clip(bins, -BINS, BINS - 1, out=bins)
        self.counts += np.bincount(bins + BINS, minlength=2 * BINS)

    def _cover(self, largest: float) -> None:
        """Double the limit until `largest` lies within, merging neighbouring bins each time."""
        if self.limit == 0.0:
            self.limit = 2.0 ** np.ceil(np.log2(max(largest, 1e-30)))
        while self.limit < largest:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros_like(self.counts)
            self.counts[BINS // 2 : BINS // 2 + BINS] = merged
            self.limit *= 2

    def magnitudes(self) -> tuple[npt.NDArray[np.int64], float]:
        """Return the counts of |x| in equal bins from 0 to the largest |x|, and the width of a bin."""
        folded = self.counts[BINS:] + self.counts[BINS - 1 :: -1]
        width = self.limit / BINS
        used = max(int(np.ceil(max(-self.low, self.high) / width)), 1)
        return folded[:used], width
