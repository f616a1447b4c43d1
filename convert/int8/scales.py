"""From observed ranges to quantization scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.convert.int8.histogram import METHODS, Histogram

# Smallest and largest of int8 as symmetric quantization uses it, and of uint8.
INT8_MAX = 127
UINT8_MAX = 255


@dataclass(frozen=True)
class Scale:
    """How a tensor is quantized: q = round(x / scale) + zero_point, kept within `dtype` (int8 or uint8)."""

    scale: float
    zero_point: int
    dtype: str


def scale_of(histogram: Histogram, method: str, target: str) -> Scale:
    """Return the scale by which `target` quantizes a tensor of that histogram; method: a name in METHODS."""
    counts, width = histogram.magnitudes()
    # Of uint8, all levels are above zero where all values are.
    levels = 256 if target == "cpu" and histogram.low >= 0 else 128
    # Nothing is known of a tensor that was 0 throughout; a range of 1 costs nothing if it stays so.
    threshold = METHODS[method](counts, width, levels) if histogram.low < histogram.high else 1.0
    if target == "tensorrt":
        return symmetric_scale(threshold)
    if histogram.low == histogram.high:
        return asymmetric_scale(0.0, threshold)
    return asymmetric_scale(max(histogram.low, -threshold), min(histogram.high, threshold))


def symmetric_scale(threshold: float) -> Scale:
    """Return the int8 scale for values in -threshold..threshold: zero point 0, as TensorRT demands.

    The scale is rounded up to a number that FP16 holds, so that FP16 and FP32 files quantize alike.
    """
    return Scale(float(round_up_to_fp16(np.array([threshold / INT8_MAX]))[0]), 0, "int8")


def asymmetric_scale(low: float, high: float) -> Scale:
    """Return the uint8 scale for values in low..high; 0 lies within, and is represented exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / UINT8_MAX, float(np.finfo(np.float32).tiny))
    return Scale(float(np.float32(scale)), int(np.clip(round(-low / scale), 0, UINT8_MAX)), "uint8")


def round_up_to_fp16(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return the smallest FP16 numbers that are no smaller than `values` (0 or more), and above 0, as FP32."""
    rounded = values.astype(np.float16)
    low = rounded.astype(np.float64) < values
    rounded[low] = np.nextafter(rounded[low], np.float16(np.inf))
    above_zero: npt.NDArray[np.float32] = np.maximum(rounded, np.finfo(np.float16).smallest_subnormal).astype(
        np.float32
    )
    return above_zero


def weight_scales(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the int8 scale of each output channel (axis 0) of `weights`: (C,) float32 that FP16 holds too."""
    largest = np.abs(weights.reshape(len(weights), -1)).max(axis=1).astype(np.float64)
    return round_up_to_fp16(largest / INT8_MAX)
