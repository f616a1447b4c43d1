"""The backends `onnxruntime` and `onnxruntime-tensorrt`: which device they take for a model, and why not a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.errors import MissingDependencyError, UsageError, install_command
from pptsn.runtime.base.options import option, switch
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.engines.backend import Backend, Choices, NoOptions, Trial
from pptsn.runtime.engines.device import Device, DeviceError, driver_is_here
from pptsn.runtime.engines.onnxruntime.providers import (
    CUDA,
    JETSON_INSTALL,
    TENSORRT,
    execution_providers,
    gpu_loading,
    has_gpu_wheels,
    idle_gpu_note,
    require_provider,
    require_tensorrt,
)

if TYPE_CHECKING:
    from pptsn.runtime.engines.base import Engine
    from pptsn.runtime.model.file import ModelFile

_FOR_CPUS = "make one for CPUs by: pptsn convert int8 --target cpu"
FOR_GPUS = "make one for GPUs by: pptsn convert int8 --target tensorrt"

# An ONNX model of one Identity node, spelled out so that a trial needs no other package:
# ir_version 8; graph {node {x -> y, Identity}, name "g", input x float[1], output y float[1]}; opset 13.
TINY_MODEL = bytes.fromhex(
    "080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179"
    "120a0a08080112040a02080142040a00100d"
)


def package_requirements() -> tuple[Requirement, ...]:
    """Return the package for CPUs, and the one for GPUs, which comes from elsewhere on a Jetson."""
    gpu = install_command("gpu") if has_gpu_wheels() else JETSON_INSTALL
    return (
        Requirement("onnxruntime", "classifying on a CPU", install_command("cpu")),
        Requirement("onnxruntime-gpu", "classifying on an NVIDIA GPU", gpu),
    )


@dataclass(frozen=True)
class OnnxRuntimeOptions:
    """graphs: whether a GPU starts one frame's work by a CUDA graph."""

    graphs: bool = option("1 starts one frame's work on a GPU by a CUDA graph", default=False, parse=switch)


class OnnxRuntimeBackend(Backend[OnnxRuntimeOptions]):
    """ONNX Runtime: on the first GPU where that works, else on the CPU."""

    help = ".onnx files on CPUs and GPUs"
    packages = ("onnxruntime",)
    options = OnnxRuntimeOptions
    requirements = package_requirements()

    def open(self, path: Path, choices: Choices, options: OnnxRuntimeOptions) -> Engine:
        """Return the model at `path` on the device of `choices`; see `Backend.open`."""
        file = open_graph(path, "onnxruntime")
        if choices.device is None:
            return _open_anywhere(file, choices, options)
        if choices.device.kind == "cpu":
            return _open_on_cpu(file, choices)
        return _open_on_gpu(file, choices, choices.device, graphs=options.graphs)

    def trials(self) -> tuple[Trial, ...]:
        """Return the run of a model of one node on the CPU and on the first GPU."""
        return tuple(Trial(device, partial(_run_tiny_model, device)) for device in (Device("cpu"), Device("cuda")))


class OnnxRuntimeTensorRtBackend(Backend[NoOptions]):
    """ONNX Runtime with TensorRT inside, which builds its engine at the first start, for minutes."""

    help = ".onnx files by TensorRT inside ONNX Runtime"
    packages = ("onnxruntime",)
    opens_slowly = True

    def open(self, path: Path, choices: Choices, options: NoOptions) -> Engine:
        """Return the model at `path` on a GPU; see `Backend.open`."""
        from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine

        device = choices.device or Device("cuda")
        if device.kind == "cpu":
            cause = "onnxruntime-tensorrt needs a GPU"
            raise UsageError("--device", cause, "use --device cuda, or --backend onnxruntime")
        file = open_graph(path, "onnxruntime-tensorrt")
        engine = OnnxRuntimeEngine(file, device=device, threads=choices.threads, optimise=choices.optimise)
        engine.notes += _note_of_foreign(file)
        return engine

    def trials(self) -> tuple[Trial, ...]:
        """Return the run of a model of one node on the first GPU."""
        device = Device("cuda")
        return (Trial(device, partial(_run_tiny_model, device, tensorrt=True)),)


def open_graph(path: Path, backend: str) -> ModelFile:
    """Return the model in the .onnx file at `path`; raises UsageError for a plan, as `backend` runs none."""
    from pptsn.runtime.model.file import ModelFile
    from pptsn.runtime.model.manifest import PLAN_SUFFIX

    if path.suffix.lower() == PLAN_SUFFIX:
        raise UsageError(
            "--backend",
            f"{backend} runs .onnx files, {path} is a TensorRT plan",
            "use --backend auto, or name the .onnx file that it was built from",
        )
    return ModelFile.open(path)


def _open_anywhere(file: ModelFile, choices: Choices, options: OnnxRuntimeOptions) -> Engine:
    """Open a graph on the first GPU where that works, else on the CPU, with a note that says why."""
    from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime

    onnxruntime = import_onnxruntime()
    note = idle_gpu_note(onnxruntime)
    gpu = CUDA in onnxruntime.get_available_providers()
    if (gpu or note) and file.quantized_for == "cpu":
        taken = gpu and driver_is_here()
        note = f"running on the CPU: {file.path} is encoded for CPUs; {FOR_GPUS}" if taken else None
        gpu = False
    if gpu:
        try:
            engine = _open_on_gpu(file, choices, Device("cuda"), graphs=options.graphs)
        except (DeviceError, MissingDependencyError) as error:
            note = f"running on the CPU: {error.thing}: {error.cause}"
        else:
            engine.notes += (f"running on the GPU: {engine.description}",)
            return engine
    on_cpu = _open_on_cpu(file, choices)
    on_cpu.notes += (note,) if note else ()
    return on_cpu


def _open_on_gpu(file: ModelFile, choices: Choices, device: Device, *, graphs: bool) -> Engine:
    from pptsn.runtime.engines.onnxruntime.cuda_engine import OnnxRuntimeCudaEngine

    engine = OnnxRuntimeCudaEngine(
        file,
        device=device,
        threads=choices.threads,
        optimise=choices.optimise,
        tuning=choices.tuning,
        graphs=graphs,
    )
    engine.notes += _note_of_foreign(file)
    return engine


def _note_of_foreign(file: ModelFile) -> tuple[str, ...]:
    """Return what to say of a file on a GPU that was made for CPUs."""
    return (f"{file.path} is encoded for CPUs, not for a GPU; {FOR_GPUS}",) if file.quantized_for == "cpu" else ()


def _open_on_cpu(file: ModelFile, choices: Choices) -> Engine:
    """Open a graph on the CPU; one that was quantized for TensorRT as it is written, and with a note.

    What ONNX Runtime's CPU kernels fuse of that encoding changes its answers: 12 of 100 clips got another one.
    """
    from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine

    foreign = file.quantized_for == "tensorrt"
    optimise = choices.optimise and not foreign
    engine = OnnxRuntimeEngine(file, device=Device("cpu"), threads=choices.threads, optimise=optimise)
    if foreign:
        note = f"{file.path} is encoded for TensorRT; the CPU runs it as it is written, slowly; {_FOR_CPUS}"
        engine.notes += (note,)
    return engine


def _run_tiny_model(device: Device, *, tensorrt: bool = False) -> None:
    """Run a model of one node on `device`; raises what is wrong."""
    import numpy as np

    from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime

    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    providers = execution_providers(onnxruntime, device)
    if tensorrt:
        require_tensorrt(onnxruntime, device)
        providers = [(TENSORRT, {"device_id": device.index}), *providers]
    with gpu_loading(onnxruntime, device) as output:
        session = onnxruntime.InferenceSession(TINY_MODEL, options, providers=providers)
    require_provider(session, device, wanted=TENSORRT if tensorrt else None, output=output.getvalue())
    session.run(None, {"x": np.zeros(1, np.float32)})
