"""Memory on the host that a GPU reads without the driver's own copy, where ONNX Runtime has some."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pptsn.runtime.engines.onnxruntime.providers import CUDA
from pptsn.runtime.frames.preprocess import Frame


class HostCrops:
    """Room for a batch on the host: page-locked where this ONNX Runtime lends such memory, else ordinary.

    onnxruntime: the module; None takes ordinary memory.
    crops: the array (N, S, S, 3) uint8; valid as long as this object.
    page_locked: which of the two it is.
    """

    def __init__(self, onnxruntime: Any | None, shape: tuple[int, ...]) -> None:
        self._owner = _page_locked(onnxruntime, math.prod(shape)) if onnxruntime is not None else None
        self.page_locked = self._owner is not None
        memory = np.empty(math.prod(shape), np.uint8) if self._owner is None else self._owner.numpy()
        self.crops: Frame = memory.reshape(shape)


def _page_locked(onnxruntime: Any, nbytes: int) -> Any | None:
    """Return a page-locked OrtValue whose memory NumPy sees; None where this version or build has none.

    Versions before 2026 have no such call; others may copy where we need the memory itself.
    """
    try:
        device = next(each for each in onnxruntime.get_ep_devices() if each.ep_name == CUDA)
        about = device.memory_info(onnxruntime.OrtDeviceMemoryType.HOST_ACCESSIBLE)
        if about is None:
            return None
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type([nbytes], np.uint8, memory_info=about)
        return value if value.numpy().ctypes.data == value.data_ptr() else None
    except Exception:  # whatever it is, ordinary memory does as well
        return None
