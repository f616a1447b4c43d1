"""From the loader's crops to what the network sees, on the device where it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.model.spec import IMAGENET_MEAN, IMAGENET_STD
from pptsn.training.network._paddle import paddle


def network_input(crops: npt.NDArray[np.uint8]) -> Any:
    """Return crops (..., S, S, 3) uint8 RGB as a tensor (..., 3, S, S) float32 on the current device, normalised.

    They go there as bytes, a quarter of what numbers would be.  Each value is that of
    `pptsn.runtime.frames.preprocess.normalise`, to the bit.  Call it outside of the context of mixed precision:
    level O2 would compute it in 16 bits.
    """
    # A divisor that is a plain number would be multiplied by its inverse, which rounds otherwise.
    largest, mean, std = (paddle.to_tensor(np.array(v, np.float32)) for v in (255, IMAGENET_MEAN, IMAGENET_STD))
    scaled = paddle.to_tensor(crops).astype("float32")
    # In place: an array of this size for each of the three takes twice the time.
    scaled.divide_(largest)
    scaled.subtract_(mean)
    scaled.divide_(std)
    # Transposed last: planes of their own would be slower to compute with, as the three constants lie along them.
    leading = list(range(crops.ndim - 3))
    # Paddle transposes by a view alone, of which each who computes with it would make the planes anew.
    return scaled.transpose([*leading, *(len(leading) + axis for axis in (2, 0, 1))]).contiguous()
