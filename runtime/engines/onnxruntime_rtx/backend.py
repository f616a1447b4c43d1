"""The backend `onnxruntime-tensorrt-rtx`: .onnx files on RTX GPUs, without PyCUDA and without a compiler."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import option, switch
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.engines.backend import Backend, Choices, Trial
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.backend import FOR_GPUS, TINY_MODEL, open_graph
from pptsn.runtime.engines.onnxruntime_rtx.library import DISTRIBUTION, INSTALL, NAME, rtx_provider

if TYPE_CHECKING:
    from pptsn.runtime.engines.onnxruntime_rtx.engine import OnnxRuntimeRtxEngine


@dataclass(frozen=True)
class OnnxRuntimeRtxOptions:
    """cache: whether compiled models are kept for the next start."""

    cache: bool = option("0 keeps no compiled model for the next start", default=True, parse=switch)


class OnnxRuntimeRtxBackend(Backend[OnnxRuntimeRtxOptions]):
    """ONNX Runtime with TensorRT-RTX inside."""

    help = ".onnx files on RTX GPUs by TensorRT-RTX inside ONNX Runtime"
    options = OnnxRuntimeRtxOptions
    packages = ("onnxruntime",)
    requirements = (Requirement(DISTRIBUTION, "classifying on an RTX GPU without PyCUDA", INSTALL),)

    def open(self, path: Path, choices: Choices, options: OnnxRuntimeRtxOptions) -> OnnxRuntimeRtxEngine:
        """Return the model at `path` on a GPU; see `Backend.open`."""
        device = choices.device or Device("cuda")
        if device.kind == "cpu":
            raise UsageError("--device", f"{NAME} needs a GPU", "use --device cuda, or --backend onnxruntime")
        from pptsn.runtime.engines.onnxruntime_rtx.compiling import compiled_models
        from pptsn.runtime.engines.onnxruntime_rtx.engine import OnnxRuntimeRtxEngine

        file = open_graph(path, NAME)
        if file.quantized_for == "cpu":
            cause = "is encoded for CPUs, in uint8 with zero points, which TensorRT-RTX does not take"
            raise UsageError(path, cause, f"{FOR_GPUS}; or use --backend onnxruntime")
        return OnnxRuntimeRtxEngine(file, device=device, cache=compiled_models() if options.cache else None)

    def trials(self) -> tuple[Trial, ...]:
        """Return the run of a model of one node on the first GPU."""
        device = Device("cuda")
        return (Trial(device, partial(_run_tiny_model, device)),)


def _run_tiny_model(device: Device) -> None:
    """Run a model of one node on `device`; raises what is wrong."""
    import numpy as np

    from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime

    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    rtx_provider(onnxruntime, device).add_to(options, {})
    session = onnxruntime.InferenceSession(TINY_MODEL, options, enable_fallback=0)
    session.run(None, {"x": np.zeros(1, np.float32)})
