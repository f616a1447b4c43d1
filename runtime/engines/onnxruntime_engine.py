"""ONNX Runtime: the default engine, on CPUs and, where its CUDA build is installed, on GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from runtime.cores import available_cores
from runtime.engines.base import Engine, Logits
from runtime.engines.device import Device
from runtime.errors import MissingDependencyError, ModelError, install_command
from runtime.onnx_file import read_spec
from runtime.preprocess import Frame

INPUT_NAME, OUTPUT_NAME = "crops", "logits"

# Crops a call.  On 2 CPU cores with ResNet-50, 5 to 25 are equally fast and all of a clip at once is slower
# (docs/LOG.md); one frame's five crops need the least memory.
_CPU_BATCH = 5
_CUDA_BATCH = 64  # not measured


class OnnxRuntimeEngine(Engine):
    """A deployment graph run by ONNX Runtime.

    threads: CPU threads of one call; None takes one for each core that this process may use.
    optimise: False runs the graph as it is written, for comparisons of quantized graphs.

    Raises ModelError for an unusable file and MissingDependencyError for a missing package or device.
    """

    def __init__(
        self, path: str | Path, *, device: Device | None = None, threads: int | None = None, optimise: bool = True
    ) -> None:
        device = device or Device("cpu")
        onnxruntime = import_onnxruntime()
        self.spec = read_spec(path)
        providers = execution_providers(onnxruntime, device)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = 3  # errors come back as exceptions; warnings are of no use to our users
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise ModelError(path, f"ONNX Runtime cannot load it ({error})", "convert the model again") from error
        require_provider(self._session, device)
        self._check_interface(path)
        self.batch_size = _CPU_BATCH if device.kind == "cpu" else _CUDA_BATCH
        self.description = f"onnxruntime {onnxruntime.__version__} on {device}"

    def _check_interface(self, path: str | Path) -> None:
        inputs = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        size = self.spec.crop_size
        expected = [(INPUT_NAME, "tensor(uint8)", [size, size, 3])]
        outputs = [(o.name, o.shape[1:]) for o in self._session.get_outputs()]
        if inputs != expected or outputs != [(OUTPUT_NAME, [self.spec.classes])]:
            raise ModelError(
                path, f"takes {inputs} and gives {outputs}, expected {expected} and its spec's classes"
            )

    def _infer(self, crops: Frame) -> Logits:
        if self._session is None:
            raise ValueError("the engine is closed")
        (logits,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: np.ascontiguousarray(crops)})
        result: Logits = logits
        return result

    def close(self) -> None:
        """Release the session; a later `infer` raises ValueError."""
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


def require_provider(session: Any, device: Device) -> None:
    """Raise MissingDependencyError where `session` does not run on `device`.

    ONNX Runtime falls back to the CPU without an error where a GPU's libraries do not load or it is not there.
    """
    if device.kind == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise MissingDependencyError(
            f"device {device}",
            "ONNX Runtime's CUDA provider does not start on this machine",
            "check the GPU's number, its driver and the CUDA libraries; or use --device cpu",
        )


def execution_providers(onnxruntime: Any, device: Device) -> list[Any]:
    """Return the execution providers for `device`; raises MissingDependencyError where there is none."""
    if device.kind == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise MissingDependencyError(
            f"device {device}",
            "this build of ONNX Runtime has no CUDA",
            f"run: pip uninstall onnxruntime; {install_command('gpu')}; or use --device cpu",
        )
    return [("CUDAExecutionProvider", {"device_id": device.index}), "CPUExecutionProvider"]
