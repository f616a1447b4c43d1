"""ONNX Runtime in one session that takes batches of any size: on CPUs, and on GPUs by TensorRT inside it."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, engine_closed, install_command
from pptsn.runtime.base.foreign_files import WITHOUT_TELEMETRY
from pptsn.runtime.base.stopping import when_hurried
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits, Rows
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.io_binding import BoundSession
from pptsn.runtime.engines.onnxruntime.providers import (
    ERRORS,
    Provider,
    execution_providers,
    new_engine_cache,
    tensorrt_providers,
)
from pptsn.runtime.engines.onnxruntime.sessions import Sessions, gpu_error, model_error
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import CROPS, LOGITS

# Crops a call.  On 2 CPU cores with ResNet-50 in FP32, 5 to 25 are equally fast and all of a clip at once is
# slower (docs/log.md); one frame's five crops need the least memory.  INT8 gains a tenth from 5 to 10; from 10 to
# 25 it gains half as much again, for twice the memory.
_CPU_BATCH, _CPU_INT8_BATCH = 5, 10
_TENSORRT_BATCH = 64  # not measured


class OnnxRuntimeEngine(Engine):
    """The deployment graph in `file` run by ONNX Runtime on the CPU, or on a GPU by its TensorRT provider.

    device: the CPU if None; a GPU runs TensorRT, whose engines, built at the first start, are kept in a hidden
        folder beside the model.  `OnnxRuntimeCudaEngine` is what runs CUDA.
    threads: CPU threads of one call; None takes one for each core that this process may use.
    optimise: False runs the graph as it is written, for comparisons of quantized graphs.

    Raises ModelError for an unusable file, MissingDependencyError for a missing package or device, and
    DeviceError where a GPU has too little memory.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        device: Device | None = None,
        threads: int | None = None,
        optimise: bool = True,
    ) -> None:
        self._device = device = device or Device("cpu")
        tensorrt = device.kind == "cuda"
        onnxruntime = import_onnxruntime()
        self.spec, self._path = file.spec, file.path
        self.features = file.spec.features
        on_cpu = _CPU_INT8_BATCH if self.spec.precision == "int8" else _CPU_BATCH
        self.batch_size = _TENSORRT_BATCH if tensorrt else on_cpu
        self.threads = threads
        providers = self._tensorrt(onnxruntime, file) if tensorrt else execution_providers(onnxruntime, device)
        sessions = Sessions(onnxruntime, file, device, threads=threads or available_cores(), optimise=optimise)
        self._session: Any = sessions.open(providers)
        self._bound: BoundSession | None = None
        if tensorrt:
            self._bound = BoundSession(self._session, onnxruntime.OrtValue, device, self.spec)
        self.identity = EngineIdentity(
            backend="onnxruntime-tensorrt" if tensorrt else "onnxruntime",
            version=onnxruntime.__version__,
            device=str(device),
            precision=self.spec.precision,
        )

    def _tensorrt(self, onnxruntime: Any, file: ModelFile) -> list[Provider]:
        cache = new_engine_cache(file, onnxruntime.__version__)
        if cache is None:
            self.notes = (
                f"{file.path}: its folder cannot be written, so TensorRT's engine is built at each start",
            )
        return tensorrt_providers(onnxruntime, self._device, self.spec, largest_batch=self.batch_size, cache=cache)

    def _infer(self, crops: Frame) -> Logits:
        if self._device.kind == "cpu":
            return self._infer_batch(crops)
        # In pieces, so that the memory of a GPU stays bounded.
        pieces = [crops[i : i + self.batch_size] for i in range(0, len(crops), self.batch_size)]
        return np.concatenate([self._infer_batch(piece) for piece in pieces])

    def _infer_batch(self, crops: Frame) -> Logits:
        return self._run(crops)

    def _infer_rows(self, crops: Frame) -> Rows:
        return self._run(crops, features=True)

    def _run(self, crops: Frame, *, features: bool = False) -> Rows:
        if self._session is None:
            raise engine_closed()
        if self._bound is not None:
            try:
                return self._bound.run(crops, features=features)
            except Exception as error:  # onnxruntime's exceptions share no base class but this
                raise gpu_error(self._device, str(error)) from error
        try:
            asked = list(self.spec.outputs) if features else [LOGITS]
            results = run_session(self._session, asked, {CROPS: np.ascontiguousarray(crops)})
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            remedy = "convert the model again, or take another backend"
            raise model_error(self._path, error, "failed to run it", remedy) from error
        rows: Rows = np.concatenate(results, axis=1) if features else results[0]
        return rows

    def close(self) -> None:
        """Release the session; a later `infer` raises ValueError."""
        self._bound = None
        self._session = None


def run_session(session: Any, outputs: list[str], feeds: dict[str, Any]) -> list[Any]:
    """Return the `outputs` of a session for `feeds`, by their names; a stopped program does not wait for them.

    A model may run for ever.  What ONNX Runtime then raises is of no interest.
    """
    options = import_onnxruntime().RunOptions()
    options.log_severity_level = 4  # what fails is raised
    with when_hurried(lambda: setattr(options, "terminate", True)):
        results: list[Any] = session.run(outputs, feeds, options)
    return results


def import_onnxruntime() -> Any:
    """Return the module `onnxruntime`, or raise MissingDependencyError with the command that installs it.

    Its telemetry is off, unless the environment says otherwise, and so are the warnings that it prints, one
    for each session on a GPU from 1.31 on: this is the one door to it.
    """
    for name, value in WITHOUT_TELEMETRY.items():
        os.environ.setdefault(name, value)
    is_ours = "onnxruntime" not in sys.modules  # else its logging is whose program imported it
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "onnxruntime", f"running an .onnx file needs it ({error})", f"run: {install_command('cpu')}"
        ) from error
    if is_ours:
        onnxruntime.set_default_logger_severity(ERRORS)
    return onnxruntime
