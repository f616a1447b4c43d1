"""ONNX Runtime's execution providers: which there are, with which options, and whether they really started."""

from __future__ import annotations

import io
import platform
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.engines.device import Device, driver_is_here

if TYPE_CHECKING:
    from pptsn.runtime.model.file import ModelFile
    from pptsn.runtime.model.spec import ModelSpec

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

# Of its levels of severity: what is an error.  Those that end a call come back as exceptions.
ERRORS = 3

# An execution provider, or one with its options, as ONNX Runtime takes them.
Provider = str | tuple[str, dict[str, Any]]

JETSON_INSTALL = (
    "onnxruntime-gpu for a Jetson comes from NVIDIA (Jetson AI Lab, Jetson Zoo; for some JetPacks); "
    "plans need none: pptsn convert engine"
)
_TENSORRT_REMEDY = (
    "it needs onnxruntime-gpu and the TensorRT version that this was made for (onnxruntime.ai, TensorRT Execution "
    "Provider, requirements); or use --backend onnxruntime"
)


def execution_providers(
    onnxruntime: Any,
    device: Device,
    *,
    precision: str = "",
    fused: bool = False,
    recorded: bool = False,
) -> list[Provider]:
    """Return the execution providers for `device`; raises MissingDependencyError where there is none.

    precision: of the model; "" for what needs neither of these.  FP32 numbers are multiplied as such: NVIDIA's
        default rounds them to TF32, with 10 bits of mantissa.  INT8 runs channels first: ONNX Runtime 1.31.1
        turns its weights, not the convolutions ("Input channels C is not equal to kernel channels", on an H200).
    fused: convolutions with their biases in one kernel: 14.5 instead of 24.2 ms for 125 crops of ResNet-50 on an
        H200, after 5 to 9 s instead of 0.3 s of preparing a batch size.
    recorded: all of a call as one CUDA graph.  Such a session is for one thread, and for one batch size whose
        input and output are bound to memory on the device.
    """
    if device.kind == "cpu":
        return [CPU]
    if CUDA not in onnxruntime.get_available_providers():
        raise MissingDependencyError(
            f"device {device}",
            "this build of ONNX Runtime has no CUDA",
            f"{gpu_install()}; or use --device cpu",
        )
    options: dict[str, Any] = {
        "device_id": device.index,
        # The exhaustive search, the default, runs again for each new batch size, and takes seconds.
        "cudnn_conv_algo_search": "HEURISTIC",
        # The default doubles the arena each time, which a Jetson has no room for.
        "arena_extend_strategy": "kSameAsRequested",
        # Tensor cores take channels last: 24.2 instead of 28.1 ms for 125 crops of ResNet-50 on an H200.
        "prefer_nhwc": int(precision != "int8"),
    }
    if precision == "fp32":
        options["use_tf32"] = 0
    if fused:
        options["fuse_conv_bias"] = 1
    if recorded:
        options["enable_cuda_graph"] = 1
    return [(CUDA, options), CPU]


def tensorrt_providers(
    onnxruntime: Any, device: Device, spec: ModelSpec, *, largest_batch: int, cache: Path | None
) -> list[Provider]:
    """Return the providers that run a model by TensorRT, with CUDA for what TensorRT does not take.

    largest_batch: crops a call; engines are built for 1 to this many.
    cache: the folder that keeps the engines, whose building takes minutes; None keeps none.
    """
    # What is left to CUDA may be rounded to TF32, as TensorRT does with what it takes.
    others = execution_providers(onnxruntime, device, precision=spec.precision if spec.precision != "fp32" else "")
    require_tensorrt(onnxruntime, device)
    side = spec.crop_size
    smallest, largest = (f"crops:{count}x{side}x{side}x3" for count in (1, largest_batch))
    options: dict[str, Any] = {
        "device_id": device.index,
        "trt_profile_min_shapes": smallest,
        "trt_profile_opt_shapes": largest,
        "trt_profile_max_shapes": largest,
        # This provider builds weakly typed networks: it may take only the precisions that are named here.
        "trt_fp16_enable": spec.precision in ("fp16", "int8"),
        "trt_int8_enable": spec.precision == "int8",
        "trt_engine_cache_enable": cache is not None,
        "trt_timing_cache_enable": cache is not None,
    }
    if cache is not None:
        options["trt_engine_cache_path"] = options["trt_timing_cache_path"] = str(cache)
    return [(TENSORRT, options), *others]


def require_tensorrt(onnxruntime: Any, device: Device) -> None:
    """Raise MissingDependencyError where this build of ONNX Runtime has no TensorRT provider for `device`."""
    if device.kind == "cpu" or TENSORRT not in onnxruntime.get_available_providers():
        raise MissingDependencyError(
            f"onnxruntime-tensorrt on {device}", "this build of ONNX Runtime has no TensorRT", _TENSORRT_REMEDY
        )


def new_engine_cache(file: ModelFile, version: str) -> Path | None:
    """Return a folder beside the model for its engines, made if need be; None where it cannot be made.

    version: of ONNX Runtime.  The provider names its engines by the graph's name and the GPU, whatever the
    weights are, so each content of the file gets a folder of its own.
    """
    folder = file.path.with_name(f".{file.path.name}.tensorrt") / f"{file.sha256[:16]}-{version}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def require_provider(session: Any, device: Device, *, wanted: str | None = None, output: str = "") -> None:
    """Raise MissingDependencyError where `session` does not run on `device`, or not by the provider `wanted`.

    ONNX Runtime falls back to the CPU without an error where a GPU's libraries do not load or it is not there.
    output: what it printed meanwhile.
    """
    wanted = wanted or (CUDA if device.kind == "cuda" else CPU)
    if wanted in session.get_providers():
        return
    said = " ".join(line for line in output.splitlines() if line.startswith("EP Error"))[:300]
    reason = f" ({said})" if said else ""
    if wanted == TENSORRT:
        raise MissingDependencyError(
            f"onnxruntime-tensorrt on {device}",
            f"ONNX Runtime's TensorRT provider does not start on this machine{reason}",
            _TENSORRT_REMEDY,
        )
    raise MissingDependencyError(
        f"device {device}",
        f"ONNX Runtime's CUDA provider does not start on this machine{reason}",
        "check the GPU's number, its driver and the CUDA libraries; or use --device cpu",
    )


@contextmanager
def gpu_loading(onnxruntime: Any, device: Device) -> Iterator[io.StringIO]:
    """Load the CUDA libraries that came as Python packages, and keep ONNX Runtime from printing, for one block.

    It prints why a GPU does not start to standard output, which carries results alone; it is yielded instead.
    """
    output = io.StringIO()
    if device.kind == "cpu":
        yield output
        return
    onnxruntime.set_default_logger_severity(4)
    try:
        with redirect_stdout(output):
            if hasattr(onnxruntime, "preload_dlls"):  # since 1.21
                onnxruntime.preload_dlls()
            yield output
    finally:
        onnxruntime.set_default_logger_severity(ERRORS)


def gpu_install() -> str:
    """Return what to do for an ONNX Runtime with CUDA in place of one without."""
    return f"run: pip uninstall onnxruntime; {install_command('gpu')}" if has_gpu_wheels() else JETSON_INSTALL


def has_gpu_wheels() -> bool:
    """Whether the package index has onnxruntime-gpu for this processor; the extra `gpu` is empty elsewhere."""
    return platform.machine() == "x86_64"


def idle_gpu_note(onnxruntime: Any) -> str | None:
    """Return why a CPU is used on a machine that looks like it has a GPU; None where there is nothing to say."""
    if CUDA in onnxruntime.get_available_providers() or not driver_is_here():
        return None
    return f"running on the CPU: an NVIDIA driver is here, but this ONNX Runtime has no CUDA; {gpu_install()}"
