"""The plugin library of TensorRT-RTX for ONNX Runtime: loaded, and asked for its GPUs, in this file alone."""

from __future__ import annotations

import ctypes
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.engines.device import Device, pci_bus_id

NAME = "onnxruntime-tensorrt-rtx"
DISTRIBUTION = "onnxruntime-ep-nv-tensorrt-rtx"
INSTALL = install_command(f"cpu,{NAME}")

# What ONNX Runtime begins its messages with.
_CODES = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_PACKAGE = "onnxruntime_ep_nv_tensorrt_rtx"
_OLDEST_ONNXRUNTIME = (1, 24)  # as its package says
_OTHERWISE = "or use --backend onnxruntime"
_INSTALL_ANEW = f"install it anew: pip install --force-reinstall {DISTRIBUTION}; {_OTHERWISE}"
# What comes with NVIDIA's driver; whatever else is missing comes with the package.
_OF_THE_DRIVER = ("libcuda.so", "libnvidia-ml.so")


@dataclass(frozen=True)
class RtxProvider:
    """TensorRT-RTX inside ONNX Runtime, on one GPU.

    version: of its package.  gpu: an onnxruntime.OrtEpDevice.
    warnings: what its package said when it was imported; it may crash then.
    """

    version: str
    gpu: Any
    warnings: tuple[str, ...] = ()

    def add_to(self, options: Any, settings: Mapping[str, str]) -> None:
        """Let sessions with these onnxruntime.SessionOptions run on the GPU, with settings of the provider."""
        options.add_provider_for_devices([self.gpu], dict(settings))


def rtx_provider(onnxruntime: Any, device: Device) -> RtxProvider:
    """Return the provider on `device`, a GPU.

    Raises MissingDependencyError for a missing package, a library that does not load, a GPU that is not there, and
    one that TensorRT-RTX does not run on.
    """
    _require_plugins(onnxruntime)
    with _collected_warnings() as warnings:
        plugin = _import_plugin()
    try:
        version, name, library = plugin.__version__, plugin.get_ep_name(), plugin.get_library_path()
        _register(onnxruntime, name, library)
    except Exception as error:  # ONNX Runtime's exceptions share no base class but this
        said = "; ".join([words_of(error), *warnings])
        remedy = _INSTALL_ANEW
        if any(each in said for each in _OF_THE_DRIVER):
            remedy = f"it needs NVIDIA's driver: check it by nvidia-smi; {_OTHERWISE}"
        cause = f"its library for ONNX Runtime does not load ({said})"
        raise MissingDependencyError(DISTRIBUTION, cause, remedy) from error
    offered = [each for each in onnxruntime.get_ep_devices() if each.ep_name == name]
    return RtxProvider(version, _gpu(offered, device), tuple(warnings))


def words_of(error: Exception) -> str:
    """Return what ONNX Runtime says, without the codes before it."""
    return _CODES.sub("", str(error))


def _require_plugins(onnxruntime: Any) -> None:
    """Raise MissingDependencyError where this ONNX Runtime is too old for the plugin."""
    version = onnxruntime.__version__
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_ONNXRUNTIME:
        oldest = ".".join(map(str, _OLDEST_ONNXRUNTIME))
        raise MissingDependencyError(
            "onnxruntime",
            f"{NAME} needs version {oldest} or newer, this is {version}",
            f"run, with Python 3.11 or newer: pip install 'onnxruntime>={oldest}'; {_OTHERWISE}",
        )


def _import_plugin() -> Any:
    """Return the plugin's package; raises MissingDependencyError where it is missing or broken."""
    with _library_path_restored():
        try:
            import onnxruntime_ep_nv_tensorrt_rtx as plugin
        except ImportError as error:
            cause = f"the backend onnxruntime-tensorrt-rtx needs it ({error})"
            raise MissingDependencyError(DISTRIBUTION, cause, f"run: {INSTALL}") from error
        except Exception as error:  # it looks for its libraries, and links them, while it is imported
            cause = f"cannot be imported ({type(error).__name__}: {error})"
            raise MissingDependencyError(DISTRIBUTION, cause, _INSTALL_ANEW) from error
    return plugin


@cache
def _register(onnxruntime: Any, name: str, library: str) -> None:
    """Let ONNX Runtime load the library, once; raises what it raises.

    name: of the provider, by which ONNX Runtime will call its devices as well.
    """
    if name in onnxruntime.get_available_providers():
        return  # by who had it loaded before us
    # The package (0.5.0) brings CUDA's runtime under a name by which its library does not find it.
    for runtime in Path(library).parent.glob("libcudart.so.*"):
        with suppress(OSError):  # the system may have its own
            ctypes.CDLL(str(runtime))
    onnxruntime.register_execution_provider_library(name, library)


def _gpu(offered: Sequence[Any], device: Device) -> Any:
    """Return, of the GPUs that the plugin offers, the one that CUDA counts as `device`.

    The plugin leaves out the GPUs that it does not run on, and counts others than CUDA may show to the process.
    """
    place = pci_bus_id(device.index)
    if place is None:
        remedy = "check its number and the driver by: nvidia-smi"
        raise MissingDependencyError(f"device {device}", "CUDA shows no such GPU to this process", remedy)
    found = next((each for each in offered if each.device.metadata.get("pci_bus_id", "").lower() == place), None)
    if found is None:
        cause = "TensorRT-RTX does not offer it: it runs on compute capability 8.6, 8.9, 12.0 and newer"
        raise MissingDependencyError(f"device {device}", cause, "use --backend onnxruntime or tensorrt")
    return found


@contextmanager
def _library_path_restored() -> Iterator[None]:
    """Undo what the block does to LD_LIBRARY_PATH: it is of no use to this process, and not meant for others."""
    before = os.environ.get("LD_LIBRARY_PATH")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("LD_LIBRARY_PATH", None)
        else:
            os.environ["LD_LIBRARY_PATH"] = before


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect what the plugin's package logs in the block, which would go to standard error."""
    logger, handler = logging.getLogger(_PACKAGE), _Collecting(logging.WARNING)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


class _Collecting(logging.Handler):
    """Keeps what is logged, a line each."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))
