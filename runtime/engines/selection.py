"""Choosing the engine for a model: what was asked for, or the best that works here, and why not a better one."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.engines.base import Engine
from pptsn.runtime.engines.device import Device, DeviceError, driver_is_here
from pptsn.runtime.model.onnx_file import quantization_target

# The backends that run plans; the same names as tensorrt.api.BUILDERS, which opening an .onnx file
# has no need to load.
_PLAN_BACKENDS = ("tensorrt", "tensorrt-rtx")
BACKENDS = ("auto", "onnxruntime", "onnxruntime-tensorrt", *_PLAN_BACKENDS)
_PLAN_SUFFIX = ".engine"
_FOR_CPUS = "make one for CPUs by: pptsn convert int8 --target cpu"
_FOR_GPUS = "make one for GPUs by: pptsn convert int8 --target tensorrt"


def open_engine(
    path: str | Path,
    *,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    optimise: bool = True,
) -> Engine:
    """Load the model at `path`: an .onnx file, or an .engine file, which is a TensorRT plan.

    backend: one of BACKENDS.  `auto` is ONNX Runtime for an .onnx file, and what built it for a plan.
        `onnxruntime-tensorrt` is ONNX Runtime with TensorRT inside; it builds an engine at the first start, for
        minutes, so `auto` never takes it.
    device: `auto`, `cpu`, `cuda` or `cuda:N`.  `auto` is the first GPU where ONNX Runtime can use it, else the
        CPU; for a plan it is the first GPU.  A model quantized for CPUs runs on one.  Where a GPU could be
        expected, `notes` say why it is not used.
    threads: CPU threads; None takes all cores that this process may use.  A plan has no use for them.
    optimise: False runs an .onnx file as it is written, for comparisons of quantized models; a plan is what it is.
        A model quantized for TensorRT runs so on a CPU in any case.

    Raises UsageError for unknown names and for a model that the backend does not run, ModelError for an unusable
    file, MissingDependencyError for a missing package, driver or device.
    """
    if backend not in BACKENDS:
        raise UsageError("--backend", f"unknown backend {backend!r}", f"choose one of {', '.join(BACKENDS)}")
    if threads is not None and threads < 1:
        raise UsageError("--threads", f"expected at least 1, got {threads}")
    place = None if device == "auto" else Device.parse(device)
    suffix = Path(path).suffix.lower()
    if suffix == _PLAN_SUFFIX or (backend in _PLAN_BACKENDS and suffix != ".onnx"):
        return _open_plan(path, backend, place)
    return _open_graph(path, backend, place, threads, optimise)


def _open_plan(path: str | Path, backend: str, device: Device | None) -> Engine:
    if backend.startswith("onnxruntime"):
        raise UsageError(
            "--backend",
            f"{backend} runs .onnx files, {path} is a TensorRT plan",
            "use --backend auto, or name the .onnx file that it was built from",
        )
    if device is not None and device.kind == "cpu":
        raise UsageError(
            "--device", f"{path} is a TensorRT plan, which needs a GPU", "use --device cuda, or name an .onnx file"
        )
    from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine

    return TensorRtEngine(path, backend=None if backend == "auto" else backend, device=device)


def _open_graph(
    path: str | Path, backend: str, device: Device | None, threads: int | None, optimise: bool
) -> Engine:
    if backend in _PLAN_BACKENDS:
        plan = Path(path).with_suffix(_PLAN_SUFFIX)
        raise UsageError(
            "--backend",
            f"{backend} runs plans, {path} is an .onnx file",
            f"build one: pptsn convert engine {path} -o {plan} --builder {backend}",
        )
    from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine

    if backend == "onnxruntime-tensorrt":
        place = device or Device("cuda")
        if place.kind == "cpu":
            raise UsageError("--device", f"{backend} needs a GPU", "use --device cuda, or --backend onnxruntime")
    elif device is None:
        return _open_anywhere(path, threads, optimise)
    elif device.kind == "cpu":
        return _open_on_cpu(path, threads, optimise)
    else:
        place = device
    tensorrt = backend == "onnxruntime-tensorrt"
    engine = OnnxRuntimeEngine(path, device=place, threads=threads, optimise=optimise, tensorrt=tensorrt)
    if place.kind == "cuda" and _is_for_cpus(path):
        engine.notes += (f"{path} is encoded for CPUs, not for a GPU; {_FOR_GPUS}",)
    return engine


def _open_anywhere(path: str | Path, threads: int | None, optimise: bool) -> Engine:
    """Open an .onnx file on the first GPU where that works, else on the CPU, with a note that says why."""
    from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine, import_onnxruntime
    from pptsn.runtime.engines.onnxruntime.providers import CUDA, idle_gpu_note

    onnxruntime = import_onnxruntime()
    note = idle_gpu_note(onnxruntime)
    gpu = CUDA in onnxruntime.get_available_providers()
    if (gpu or note) and _is_for_cpus(path):
        taken = gpu and driver_is_here()
        note = f"running on the CPU: {path} is encoded for CPUs; {_FOR_GPUS}" if taken else None
        gpu = False
    if gpu:
        try:
            engine = OnnxRuntimeEngine(path, device=Device("cuda"), threads=threads, optimise=optimise)
        except (DeviceError, MissingDependencyError) as error:
            note = f"running on the CPU: {error.thing}: {error.cause}"
        else:
            engine.notes += (f"running on the GPU: {engine.description}",)
            return engine
    on_cpu = _open_on_cpu(path, threads, optimise)
    on_cpu.notes += (note,) if note else ()
    return on_cpu


def _open_on_cpu(path: str | Path, threads: int | None, optimise: bool) -> Engine:
    """Open an .onnx file on the CPU; one that was quantized for TensorRT as it is written, and with a note.

    What ONNX Runtime's CPU kernels fuse of that encoding changes its answers: 12 of 100 clips got another one.
    """
    from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine

    foreign = quantization_target(path) == "tensorrt"
    engine = OnnxRuntimeEngine(path, device=Device("cpu"), threads=threads, optimise=optimise and not foreign)
    if foreign:
        note = f"{path} is encoded for TensorRT; the CPU runs it as it is written, slowly; {_FOR_CPUS}"
        engine.notes += (note,)
    return engine


def _is_for_cpus(path: str | Path) -> bool:
    """Whether the .onnx file at `path` was quantized for CPUs."""
    return quantization_target(path) == "cpu"
