"""Calibration methods: from a tensor's histogram to the range that its quantized form covers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

_LEVELS = 128
_ENTROPY_BINS = 2048
_PERCENTILE = 99.99

Counts = npt.NDArray[np.int64]


def _min_max(counts: Counts, width: float) -> float:
    return len(counts) * width


def _percentile(counts: Counts, width: float) -> float:
    cumulated = np.cumsum(counts)
    return float(np.searchsorted(cumulated, cumulated[-1] * _PERCENTILE / 100) + 1) * width


def _mean_squared_error(counts: Counts, width: float) -> float:
    """Return the threshold of least mean squared error."""
    centres = (np.arange(len(counts)) + 0.5) * width
    best, threshold = np.inf, len(counts) * width
    for candidate in np.linspace(0.2, 1.0, 161) * len(counts) * width:
        step = candidate / (_LEVELS - 1)
        rounded = np.minimum(np.rint(centres / step), _LEVELS - 1) * step
        error = float(np.dot(counts, (centres - rounded) ** 2))
        if error < best:
            best, threshold = error, float(candidate)
    return threshold


def _entropy(counts: Counts, width: float) -> float:
    """Return the threshold of least Kullback-Leibler divergence (Migacz, 8-bit Inference with TensorRT, 2017)."""
    counts = counts.copy()
    counts[0] = counts[min(1, len(counts) - 1)]  # the zeros behind each Relu say nothing of the range
    best, threshold = np.inf, len(counts) * width
    for bins in range(_LEVELS, len(counts) + 1, 8):
        kept = counts[:bins].astype(np.float64)
        reference = kept.copy()
        reference[-1] += counts[bins:].sum()
        divergence = _divergence(reference, _requantized(kept))
        if divergence < best:
            best, threshold = divergence, bins * width
    return threshold


def _requantized(kept: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return `kept` merged to _LEVELS levels and spread again over the bins that were not empty."""
    levels = np.minimum(np.arange(len(kept)) * _LEVELS // len(kept), _LEVELS - 1)
    filled = kept > 0
    totals = np.bincount(levels, weights=kept, minlength=_LEVELS)
    shares = np.bincount(levels, weights=filled, minlength=_LEVELS)
    spread = np.divide(totals, shares, out=np.zeros(_LEVELS), where=shares > 0)
    result: npt.NDArray[np.float64] = spread[levels] * filled
    return result


def _divergence(reference: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    if other.sum() == 0:
        return np.inf
    p, q = reference / reference.sum(), other / other.sum()
    q = np.where((q == 0) & (p > 0), 1e-12, q)
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / q[used])))


METHODS: dict[str, Callable[[Counts, float], float]] = {
    "min-max": _min_max,
    "percentile": _percentile,
    "entropy": _entropy,
    "mse": _mean_squared_error,
}
