"""Calibration methods: from a tensor's histogram to the range that its quantized form covers.

Each takes counts of |x| in equal bins from 0 on, (bins,) int64, their width, and the number of levels, 0 included,
that the magnitudes are rounded to: 128 for int8, 256 for uint8 without negative values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


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
