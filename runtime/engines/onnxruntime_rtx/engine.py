"""ONNX Runtime on a GPU by TensorRT-RTX: one session, few numbers of crops a call, two batches in flight."""

from __future__ import annotations

from typing import Any

import numpy as np

from pptsn.runtime.base.caches import FileCache
from pptsn.runtime.engines.base import EngineIdentity, Rows
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.host_memory import HostCrops
from pptsn.runtime.engines.onnxruntime.padded_engine import FULL_BATCH, PaddedEngine
from pptsn.runtime.engines.onnxruntime.shapes import Shape
from pptsn.runtime.engines.onnxruntime_rtx.compiling import Compilation
from pptsn.runtime.engines.onnxruntime_rtx.library import NAME, rtx_provider
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import CROPS, LOGITS


class OnnxRuntimeRtxEngine(PaddedEngine):
    """The deployment graph in `file` on an RTX GPU, compiled for 1 to `largest_batch` crops a call.

    TensorRT-RTX compiles kernels for each number of crops that comes, so few come.  FP32 is multiplied in TF32, as
    in TensorRT's plans.

    cache: where what was compiled is kept; None keeps none.

    Raises ModelError for an unusable file, MissingDependencyError for a missing package or device, and DeviceError
    where the GPU has too little memory.
    """

    def __init__(self, file: ModelFile, *, device: Device, cache: FileCache | None = None) -> None:
        onnxruntime = import_onnxruntime()
        super().__init__(onnxruntime, file.spec, device)
        self.largest_batch = FULL_BATCH
        provider = rtx_provider(onnxruntime, device)
        how = Compilation(
            onnxruntime=onnxruntime, provider=provider, device=device, largest_batch=self.largest_batch
        )
        self._session: Any = how.open_session(file, cache)
        self._version = provider.version
        self.identity = EngineIdentity(
            backend=NAME,
            version=onnxruntime.__version__,
            device=str(device),
            precision=self.spec.precision,
        )
        self._tell_shapes(FULL_BATCH)
        self.notes = provider.warnings

    def _remarks(self) -> list[str]:
        return [f"by its plugin {self._version}"]

    def _new_host(self, rows: int) -> HostCrops:
        # Of ordinary memory: the plugin's page-locked memory was never tried.
        return HostCrops(None, (rows, self.spec.crop_size, self.spec.crop_size, 3))

    def _new_runner(self, shape: Shape) -> _FedSession:
        return _FedSession(self._session, list(self.spec.outputs) if shape.features else [LOGITS])

    def _release(self) -> None:
        self._session = None


class _FedSession:
    """Runs a session that copies crops to the GPU, and the `outputs` that are named back, by itself."""

    _crops: Frame
    _results: list[Rows]

    def __init__(self, session: Any, outputs: list[str]) -> None:
        self._session, self._outputs = session, outputs

    def load(self, crops: Frame) -> None:
        self._crops = np.ascontiguousarray(crops)

    def run(self) -> None:
        self._results = self._session.run(self._outputs, {CROPS: self._crops})

    def results(self) -> Rows:
        return np.concatenate(self._results, axis=1)
