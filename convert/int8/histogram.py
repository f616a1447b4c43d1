"""What calibration remembers of a tensor, and the range that its quantized form is to cover.

A calibration method takes counts of |x| in equal bins from 0 on, (bins,) int64, their width, and the number of
levels, 0 included, that the magnitudes are rounded to: 128 for int8, 256 for uint8 without negative values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

# Counts on each side of zero.  The range doubles when a value falls outside, so that at least half of them, 2048,
# lie within the final range: what the entropy method is defined for.
BINS = 4096

Counts = npt.NDArray[np.int64]


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


def _min_max(counts: Counts, width: float, levels: int) -> float:
    return len(counts) * width


def _percentile(percentage: float, counts: Counts, width: float, levels: int) -> float:
    cumulated = np.cumsum(counts)
    return float(np.searchsorted(cumulated, cumulated[-1] * percentage / 100) + 1) * width


def _mean_squared_error(counts: Counts, width: float, levels: int) -> float:
    """Return the threshold of least mean squared error."""
    centres = (np.arange(len(counts)) + 0.5) * width
    best, threshold = np.inf, len(counts) * width
    for candidate in np.linspace(0.2, 1.0, 161) * len(counts) * width:
        step = candidate / (levels - 1)
        rounded = np.minimum(np.rint(centres / step), levels - 1) * step
        error = float(np.dot(counts, (centres - rounded) ** 2))
        if error < best:
            best, threshold = error, float(candidate)
    return threshold


def _entropy(counts: Counts, width: float, levels: int) -> float:
    """Return the threshold of least Kullback-Leibler divergence (Migacz, 8-bit Inference with TensorRT, 2017)."""
    counts = counts.copy()
    counts[0] = counts[min(1, len(counts) - 1)]  # the zeros behind each Relu say nothing of the range
    best, threshold = np.inf, len(counts) * width
    for bins in range(levels, len(counts) + 1, 8):
        kept = counts[:bins].astype(np.float64)
        reference = kept.copy()
        reference[-1] += counts[bins:].sum()
        divergence = _divergence(reference, _requantized(kept, levels))
        if divergence < best:
            best, threshold = divergence, bins * width
    return threshold


def _requantized(kept: npt.NDArray[np.float64], levels: int) -> npt.NDArray[np.float64]:
    """Return `kept` merged to `levels` levels and spread again over the bins that were not empty."""
    level = np.minimum(np.arange(len(kept)) * levels // len(kept), levels - 1)
    filled = kept > 0
    totals = np.bincount(level, weights=kept, minlength=levels)
    shares = np.bincount(level, weights=filled, minlength=levels)
    spread = np.divide(totals, shares, out=np.zeros(levels), where=shares > 0)
    result: npt.NDArray[np.float64] = spread[level] * filled
    return result


def _divergence(reference: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    if other.sum() == 0:
        return np.inf
    p, q = reference / reference.sum(), other / other.sum()
    q = np.where((q == 0) & (p > 0), 1e-12, q)
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / q[used])))


# The lower percentiles are for networks that a few odd clips drive far beyond what the others reach.
METHODS: dict[str, Callable[[Counts, float, int], float]] = {
    "min-max": _min_max,
    "percentile": partial(_percentile, 99.99),
    "percentile-99.9": partial(_percentile, 99.9),
    "percentile-99": partial(_percentile, 99.0),
    "entropy": _entropy,
    "mse": _mean_squared_error,
}
