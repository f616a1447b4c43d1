"""ONNX Runtime: the default engine, on CPUs and, where its CUDA build is installed, on GPUs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, PptsnError, install_command
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits
from pptsn.runtime.engines.device import Device, DeviceError, out_of_memory
from pptsn.runtime.engines.onnxruntime.io_binding import BoundSession
from pptsn.runtime.engines.onnxruntime.providers import (
    CUDA,
    TENSORRT,
    Provider,
    execution_providers,
    gpu_loading,
    new_engine_cache,
    require_provider,
    tensorrt_providers,
)
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile

INPUT_NAME, OUTPUT_NAME = "crops", "logits"

# Crops a call.  On 2 CPU cores with ResNet-50 in FP32, 5 to 25 are equally fast and all of a clip at once is
# slower (docs/log.md); one frame's five crops need the least memory.  INT8 gains a tenth from 5 to 10; from 10 to
# 25 it gains half as much again, for twice the memory.
_CPU_BATCH, _CPU_INT8_BATCH = 5, 10
_CUDA_BATCH = 64  # not measured

_OUT_OF_MEMORY = re.compile(r"requested buffer of size (\d+)|out of memory|STATUS_ALLOC_FAILED", re.IGNORECASE)
_SMALLER = "close other programs that use the GPU, take the model in FP16, or use --device cpu"


class OnnxRuntimeEngine(Engine):
    """The deployment graph in `file` run by ONNX Runtime.

    threads: CPU threads of one call; None takes one for each core that this process may use.
    optimise: False runs the graph as it is written, for comparisons of quantized graphs.
    tensorrt: by ONNX Runtime's TensorRT provider; its engines, built at the first start, are kept in a hidden
        folder beside the model.

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
        tensorrt: bool = False,
    ) -> None:
        self._device = device = device or Device("cpu")
        onnxruntime = import_onnxruntime()
        self.spec = file.spec
        on_cpu = _CPU_INT8_BATCH if self.spec.precision == "int8" else _CPU_BATCH
        self.batch_size = on_cpu if device.kind == "cpu" else _CUDA_BATCH
        self.threads = threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = 3  # errors come back as exceptions; warnings are of no use to our users
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        providers = self._providers(onnxruntime, file, tensorrt=tensorrt)
        self._session: Any = _new_session(onnxruntime, file.path, options, providers, device)
        self._check_interface(file.path)
        self._bound: BoundSession | None = None
        if device.kind == "cuda":
            self._bound = BoundSession(
                self._session,
                onnxruntime.OrtValue,
                device,
                input_name=INPUT_NAME,
                output_name=OUTPUT_NAME,
                classes=self.spec.classes,
            )
        self.identity = EngineIdentity(
            backend="onnxruntime-tensorrt" if tensorrt else "onnxruntime",
            version=onnxruntime.__version__,
            device=str(device),
            precision=self.spec.precision,
        )

    def _providers(self, onnxruntime: Any, file: ModelFile, *, tensorrt: bool) -> list[Provider]:
        if not tensorrt:
            exact = self.spec.precision == "fp32"
            return execution_providers(onnxruntime, self._device, exact_fp32=exact)
        cache = new_engine_cache(file, onnxruntime.__version__)
        if cache is None:
            self.notes = (
                f"{file.path}: its folder cannot be written, so TensorRT's engine is built at each start",
            )
        return tensorrt_providers(onnxruntime, self._device, self.spec, largest_batch=self.batch_size, cache=cache)

    def _check_interface(self, path: Path) -> None:
        inputs = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        size = self.spec.crop_size
        expected = [(INPUT_NAME, "tensor(uint8)", [size, size, 3])]
        outputs = [(o.name, o.shape[1:]) for o in self._session.get_outputs()]
        if inputs != expected or outputs != [(OUTPUT_NAME, [self.spec.classes])]:
            raise ModelError(
                path, f"takes {inputs} and gives {outputs}, expected {expected} and its spec's classes"
            )

    def _infer(self, crops: Frame) -> Logits:
        if self._device.kind == "cpu":
            return self._infer_batch(crops)
        # In pieces, so that the memory of a GPU stays bounded.
        pieces = [crops[i : i + self.batch_size] for i in range(0, len(crops), self.batch_size)]
        return np.concatenate([self._infer_batch(piece) for piece in pieces])

    def _infer_batch(self, crops: Frame) -> Logits:
        if self._session is None:
            raise ValueError("the engine is closed")
        if self._bound is not None:
            try:
                return self._bound.run(crops)
            except Exception as error:  # onnxruntime's exceptions share no base class but this
                raise _gpu_error(self._device, str(error)) from error
        (logits,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: np.ascontiguousarray(crops)})
        result: Logits = logits
        return result

    def close(self) -> None:
        """Release the session; a later `infer` raises ValueError."""
        self._bound = None
        self._session = None


def import_onnxruntime() -> Any:
    """Return the module `onnxruntime`, or raise MissingDependencyError with the command that installs it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "onnxruntime", f"running an .onnx file needs it ({error})", f"run: {install_command('cpu')}"
        ) from error
    return onnxruntime


def _new_session(onnxruntime: Any, path: Path, options: Any, providers: list[Provider], device: Device) -> Any:
    first = providers[0] if isinstance(providers[0], str) else providers[0][0]
    try:
        with gpu_loading(onnxruntime, device) as output:
            session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        if first in (CUDA, TENSORRT) and _OUT_OF_MEMORY.search(str(error)):
            raise _gpu_error(device, str(error)) from error
        raise ModelError(path, f"ONNX Runtime cannot load it ({error})", "convert the model again") from error
    require_provider(session, device, wanted=first, output=output.getvalue())
    session.disable_fallback()  # which would go on with the CPU after an error of the GPU, in silence
    return session


def _gpu_error(device: Device, text: str) -> PptsnError:
    found = _OUT_OF_MEMORY.search(text)
    if found is None:
        return DeviceError(f"device {device}", f"ONNX Runtime failed ({text[:500]})", "or use --device cpu")
    needed = int(found[1]) if found[1] else None
    return out_of_memory(device, "a batch", needed_bytes=needed, free_bytes=None, remedy=_SMALLER)
