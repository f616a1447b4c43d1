"""The backends `tensorrt` and `tensorrt-rtx`: plans, each by the library that built it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pptsn.runtime.base.errors import UsageError, install_command
from pptsn.runtime.base.options import option, switch
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.engines.backend import Backend, Choices, Trial
from pptsn.runtime.engines.device import Device

if TYPE_CHECKING:
    from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine

# TensorRT's libraries are on NVIDIA's own index; on a Jetson they come with JetPack.
_TENSORRT_INSTALL = (
    "pip install tensorrt --extra-index-url https://pypi.nvidia.com; on a Jetson JetPack has it: "
    "make the virtual environment with --system-site-packages"
)
_PYCUDA_INSTALL = (
    f"{install_command('tensorrt')} (PyCUDA is compiled: it needs a C++ compiler and the CUDA toolkit's headers, "
    "with nvcc on the PATH)"
)


@dataclass(frozen=True)
class TensorRtOptions:
    """graphs: whether to start the work by CUDA graphs where cuda-bindings is installed."""

    graphs: bool = option("0 starts the work without CUDA graphs", default=True, parse=switch)


class TensorRtBackend(Backend[TensorRtOptions]):
    """Plans that TensorRT built.  The backends have the names of the libraries, BUILDERS."""

    help = ".engine files"
    suffixes = (".engine",)
    options = TensorRtOptions
    packages: ClassVar[tuple[str, ...]] = ("tensorrt", "pycuda", "cuda")
    requirements: ClassVar[tuple[Requirement, ...]] = (
        Requirement("tensorrt", "running and building TensorRT plans", _TENSORRT_INSTALL),
        Requirement(
            "tensorrt_lean_cu13_bindings",
            "running version-compatible plans without TensorRT, optional",
            install_command("lean,tensorrt"),
        ),
        Requirement("pycuda", "running plans", _PYCUDA_INSTALL),
        Requirement("cuda-bindings", "CUDA graphs, optional", install_command("tensorrt")),
    )

    def suits(self, path: Path) -> bool:
        """Whether the file at `path` is a plan that this library built; raises ModelError without its manifest."""
        from pptsn.runtime.model.manifest import read_manifest

        return super().suits(path) and read_manifest(path).builder == self.name

    def open(self, path: Path, choices: Choices, options: TensorRtOptions) -> TensorRtEngine:
        """Return the plan at `path`, whatever its name, on a GPU; see `Backend.open`."""
        from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
        from pptsn.runtime.model.file import ModelFile
        from pptsn.runtime.model.manifest import PLAN_SUFFIX

        if path.suffix.lower() == ".onnx":
            build = f"pptsn convert engine {path} -o {path.with_suffix(PLAN_SUFFIX)} --builder {self.name}"
            raise UsageError(
                "--backend", f"{self.name} runs plans, {path} is an .onnx file", f"build one: {build}"
            )
        if choices.device is not None and choices.device.kind == "cpu":
            cause = f"{path} is a TensorRT plan, which needs a GPU"
            raise UsageError("--device", cause, "use --device cuda, or name an .onnx file")
        file = ModelFile.open_plan(path)
        if file.manifest is not None and file.manifest.builder != self.name:
            builder = file.manifest.builder
            raise UsageError(
                "--backend",
                f"{path} was built by {builder}, it does not run on {self.name}",
                f"use --backend {builder}, or build another: pptsn convert engine --builder {self.name}",
            )
        return TensorRtEngine(file, device=choices.device, graphs=options.graphs)

    def trials(self) -> tuple[Trial, ...]:
        """Return the start of the library and the reservation of a little memory on the first GPU."""
        return (Trial(Device("cuda"), partial(_start, self.name)),)


class TensorRtRtxBackend(TensorRtBackend):
    """Plans that TensorRT-RTX built."""

    help = ".engine files for RTX GPUs"
    packages = ("tensorrt_rtx_bindings", "pycuda", "cuda")
    requirements = (
        Requirement("tensorrt_rtx_cu13_bindings", "plans for RTX GPUs, built without one", install_command("rtx")),
    )


def _start(library_name: str) -> None:
    """Start the library's runtime and reserve a little page-locked memory; raises what is wrong."""
    from pptsn.runtime.engines.tensorrt.api import import_runtime
    from pptsn.runtime.engines.tensorrt.cuda import open_cuda

    library = import_runtime(library_name, version_compatible=True)
    cuda = open_cuda(0)
    with cuda.current():
        library.module.Runtime(library.logger())
        cuda.new_buffer((1,), "uint8").free()
