"""ONNX Runtime with its inputs and outputs bound: memory on the device that stays from call to call."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pptsn.runtime.base.stages import COPY_IN, COPY_OUT, stage
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.device import Device
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.spec import CROPS, LOGITS, ModelSpec

# The tensors of the deployment graph.
# Batch sizes whose memory is kept: the full batch, a frame's crops, and the rest of a file.
_KEPT_SIZES = 3


class Binding:
    """One session and one batch size, with memory that stays: the input's on the device, the output's on the host.

    session: an InferenceSession; ort_value: onnxruntime's class OrtValue.  rows: crops of the batch.
    recorded: the session replays a CUDA graph, which writes to the device alone.
    """

    def __init__(
        self,
        session: Any,
        ort_value: Any,
        device: Device,
        spec: ModelSpec,
        rows: int,
        *,
        recorded: bool = False,
    ) -> None:
        shape, at = [rows, spec.crop_size, spec.crop_size, 3], (device.kind, device.index)
        self._session = session
        self._crops = ort_value.ortvalue_from_shape_and_type(shape, np.uint8, *at)
        if recorded:
            self._logits = ort_value.ortvalue_from_shape_and_type([rows, spec.classes], np.float32, *at)
        else:  # the session copies into it, and has done so when its run returns
            self._logits = ort_value.ortvalue_from_numpy(np.empty((rows, spec.classes), np.float32))
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(CROPS, self._crops)
        self._binding.bind_ortvalue_output(LOGITS, self._logits)

    def load(self, crops: Frame) -> None:
        """Copy the crops (rows, S, S, 3) uint8 to the device."""
        self._crops.update_inplace(np.ascontiguousarray(crops))

    def run(self) -> None:
        """Infer what was loaded.  Python's lock is free meanwhile."""
        self._session.run_with_iobinding(self._binding)

    def logits(self) -> Logits:
        """Return the logits (rows, C) of the last run: a new array."""
        return np.array(self._logits.numpy())


class BoundSession:
    """Runs a session on `device` through memory that is allocated once for each of the last few batch sizes."""

    def __init__(self, session: Any, ort_value: Any, device: Device, spec: ModelSpec) -> None:
        self._made_of = (session, ort_value, device, spec)
        self._kept: OrderedDict[int, Binding] = OrderedDict()

    def run(self, crops: Frame) -> Logits:
        """Return the logits (N, C) float32 of `crops` (N, S, S, 3) uint8: a new array."""
        binding = self._binding(len(crops))
        with stage(COPY_IN):
            binding.load(crops)
        binding.run()
        with stage(COPY_OUT):
            return binding.logits()

    def _binding(self, rows: int) -> Binding:
        if rows not in self._kept:
            if len(self._kept) == _KEPT_SIZES:
                self._kept.popitem(last=False)
            self._kept[rows] = Binding(*self._made_of, rows)
        self._kept.move_to_end(rows)
        return self._kept[rows]
