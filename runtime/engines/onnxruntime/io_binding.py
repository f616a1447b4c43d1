"""ONNX Runtime with its inputs and outputs bound: memory on the device that stays from call to call."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pptsn.runtime.base.stages import COPY_IN, COPY_OUT, stage
from pptsn.runtime.engines.base import Rows
from pptsn.runtime.engines.device import Device
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.spec import CROPS, LOGITS, ModelSpec

# Bindings that are kept: for the full batch, a frame's crops, and the rest of a file.
_KEPT = 3


class Binding:
    """One session and one batch size, with memory that stays: the input's on the device, the outputs' on the host.

    session: an InferenceSession; ort_value: onnxruntime's class OrtValue.  rows: crops of the batch.
    features: whether features are read besides the logits.
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
        features: bool = False,
        recorded: bool = False,
    ) -> None:
        shape, at = [rows, spec.crop_size, spec.crop_size, 3], (device.kind, device.index)
        self._session = session
        self._crops = ort_value.ortvalue_from_shape_and_type(shape, np.uint8, *at)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(CROPS, self._crops)
        self._results = []
        for name in spec.outputs if features else (LOGITS,):
            width = spec.outputs[name]
            if recorded:
                result = ort_value.ortvalue_from_shape_and_type([rows, width], np.float32, *at)
            else:  # the session copies into it, and has done so when its run returns
                result = ort_value.ortvalue_from_numpy(np.empty((rows, width), np.float32))
            self._binding.bind_ortvalue_output(name, result)
            self._results.append(result)

    def load(self, crops: Frame) -> None:
        """Copy the crops (rows, S, S, 3) uint8 to the device."""
        self._crops.update_inplace(np.ascontiguousarray(crops))

    def run(self) -> None:
        """Infer what was loaded.  Python's lock is free meanwhile."""
        self._session.run_with_iobinding(self._binding)

    def results(self) -> Rows:
        """Return the logits (rows, C) of the last run, or with features (rows, C + D): a new array."""
        return np.concatenate([result.numpy() for result in self._results], axis=1)


class BoundSession:
    """Runs a session on `device` through memory that is allocated once for each of the last few batch sizes."""

    def __init__(self, session: Any, ort_value: Any, device: Device, spec: ModelSpec) -> None:
        self._made_of = (session, ort_value, device, spec)
        self._kept: OrderedDict[tuple[int, bool], Binding] = OrderedDict()

    def run(self, crops: Frame, *, features: bool = False) -> Rows:
        """Return the logits (N, C) of `crops` (N, S, S, 3) uint8, or with features (N, C + D): a new array."""
        binding = self._binding(len(crops), features)
        with stage(COPY_IN):
            binding.load(crops)
        binding.run()
        with stage(COPY_OUT):
            return binding.results()

    def _binding(self, rows: int, features: bool) -> Binding:
        key = rows, features
        if key not in self._kept:
            if len(self._kept) == _KEPT:
                self._kept.popitem(last=False)
            self._kept[key] = Binding(*self._made_of, rows, features=features)
        self._kept.move_to_end(key)
        return self._kept[key]
