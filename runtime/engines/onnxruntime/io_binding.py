"""ONNX Runtime with its inputs and outputs bound: memory on the device that stays from call to call."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from pptsn.runtime.base.stages import COPY_IN, COPY_OUT, stage
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.device import Device
from pptsn.runtime.frames.preprocess import Frame

# Batch sizes whose memory is kept: the full batch, a frame's crops, and the rest of a file.
_KEPT_SIZES = 3


@dataclass(frozen=True)
class _Bound:
    """What was bound for one batch size: the input on the device, and the host array that gets the output."""

    binding: Any
    crops: Any
    logits: Logits


class BoundSession:
    """Runs a session on `device` through memory that is allocated once for each batch size.

    session: an InferenceSession; ort_value: onnxruntime's class OrtValue.
    input_name, output_name, classes: of the deployment graph.
    """

    def __init__(
        self, session: Any, ort_value: Any, device: Device, *, input_name: str, output_name: str, classes: int
    ) -> None:
        self._session, self._ort_value, self._device = session, ort_value, device
        self._input_name, self._output_name, self._classes = input_name, output_name, classes
        self._kept: OrderedDict[int, _Bound] = OrderedDict()

    def run(self, crops: Frame) -> Logits:
        """Return the logits (N, C) float32 of `crops` (N, S, S, 3) uint8: a new array.

        The run itself ends with the copy from the device, into the array that was bound.
        """
        bound = self._kept.get(len(crops)) or self._bind(crops)
        self._kept.move_to_end(len(crops))
        with stage(COPY_IN):
            bound.crops.update_inplace(np.ascontiguousarray(crops))
        self._session.run_with_iobinding(bound.binding)
        with stage(COPY_OUT):
            logits: Logits = bound.logits.copy()
        return logits

    def _bind(self, crops: Frame) -> _Bound:
        if len(self._kept) == _KEPT_SIZES:
            self._kept.popitem(last=False)
        kind, index = self._device.kind, self._device.index
        on_device = self._ort_value.ortvalue_from_shape_and_type(list(crops.shape), np.uint8, kind, index)
        logits: Logits = np.empty((len(crops), self._classes), np.float32)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input_name, on_device)
        # A host array as the output: the session copies into it, and has done so when its run returns.
        binding.bind_ortvalue_output(self._output_name, self._ort_value.ortvalue_from_numpy(logits))
        self._kept[len(crops)] = _Bound(binding, on_device, logits)
        return self._kept[len(crops)]
