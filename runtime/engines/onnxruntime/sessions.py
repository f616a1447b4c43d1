"""Sessions of ONNX Runtime for one model: opened, checked to be what they are taken for, and one a shape."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import ModelError, PptsnError
from pptsn.runtime.engines.device import Device, DeviceError, out_of_memory
from pptsn.runtime.engines.model_memory import too_much
from pptsn.runtime.engines.onnxruntime.memory_bound import bound_memory, is_over_bound
from pptsn.runtime.engines.onnxruntime.providers import (
    CUDA,
    ERRORS,
    TENSORRT,
    Provider,
    gpu_loading,
    require_provider,
)
from pptsn.runtime.engines.onnxruntime.shapes import Shape
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import CROPS, ModelSpec

_OUT_OF_MEMORY = re.compile(
    r"(?:requested buffer|allocate device memory) of size (\d+)|out of memory|STATUS_ALLOC_FAILED", re.IGNORECASE
)
_SMALLER = "close other programs that use the GPU, take the model in FP16, or use --device cpu"


class Sessions:
    """Opens sessions of the model in `file` on `device`.

    threads: CPU threads of one call.
    optimise: False runs the graph as it is written.
    """

    def __init__(
        self, onnxruntime: Any, file: ModelFile, device: Device, *, threads: int, optimise: bool = True
    ) -> None:
        self._onnxruntime, self._path, self._spec, self._device = onnxruntime, file.path, file.spec, device
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.log_severity_level = ERRORS  # warnings are of no use to our users
        if device.kind == "cpu":
            # A pattern is one block for each size of batch that comes, kept for good: a fifth of the memory that
            # INT8 takes, and nothing gained in speed.
            self._options.enable_mem_pattern = False
            bound_memory(onnxruntime, self._options)
        if not optimise:
            self._options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._started = False

    def open(self, providers: list[Provider]) -> Any:
        """Return a session that runs on the first of `providers`.

        Raises ModelError for a file that is no deployment graph, MissingDependencyError where the provider does
        not start, DeviceError where a GPU has too little memory.
        """
        first = providers[0] if isinstance(providers[0], str) else providers[0][0]
        # A provider that does not start prints, which is caught.  Once one has started nothing is printed, and
        # catching it would catch what other threads print meanwhile.
        loading = nullcontext() if self._started else gpu_loading(self._onnxruntime, self._device)
        try:
            with loading as output:
                session = self._onnxruntime.InferenceSession(str(self._path), self._options, providers=providers)
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            if first in (CUDA, TENSORRT) and is_out_of_memory(str(error)):
                raise gpu_error(self._device, str(error)) from error
            raise model_error(self._path, error, "cannot load it", "convert the model again") from error
        require_provider(session, self._device, wanted=first, output=output.getvalue() if output else "")
        session.disable_fallback()  # which would go on with the CPU after an error of the GPU, in silence
        check_interface(session, self._path, self._spec)
        self._started = True
        return session


class ShapeSessions:
    """A session for each number of crops a call, opened when it is asked for.  For several threads.

    ONNX Runtime's CUDA kernels prepare every convolution again when the batch size changes, for 0.3 s; a session
    of its own sees one size for as long as it lives.

    open_session: returns a new session for a shape.
    """

    def __init__(self, open_session: Callable[[Shape], Any]) -> None:
        self._open = open_session
        self._opened: dict[Shape, Any] = {}
        self._lock = threading.Lock()

    def get(self, shape: Shape) -> Any:
        """Return the session for calls of one shape; raises what opening it raises."""
        with self._lock:
            if shape not in self._opened:
                self._opened[shape] = self._open(shape)
            return self._opened[shape]

    def clear(self) -> None:
        """Release all sessions."""
        with self._lock:
            self._opened.clear()


def model_error(model: object, error: Exception, what: str, remedy: str) -> ModelError:
    """Return the error for what ONNX Runtime raised on the CPU.  model: its path.  what: what it cannot do."""
    if is_over_bound(str(error)):
        return too_much(model)
    return ModelError(model, f"ONNX Runtime {what} ({error})", remedy)


def is_out_of_memory(text: str) -> bool:
    """Whether what ONNX Runtime said of a GPU is that it has too little memory."""
    return _OUT_OF_MEMORY.search(text) is not None


def gpu_error(device: Device, text: str) -> PptsnError:
    """Return the error for what ONNX Runtime said of a GPU that failed."""
    found = _OUT_OF_MEMORY.search(text)
    if found is None:
        return DeviceError(f"device {device}", f"ONNX Runtime failed ({text[:500]})", "or use --device cpu")
    needed = int(found[1]) if found[1] else None
    return out_of_memory(device, "a batch", needed_bytes=needed, free_bytes=None, remedy=_SMALLER)


def check_interface(session: Any, path: Path, spec: ModelSpec) -> None:
    """Raise ModelError unless the session takes crops and gives what the spec says."""
    size = spec.crop_size
    found = [_told(value) for value in (*session.get_inputs(), *session.get_outputs())]
    expected = [f"{CROPS} tensor(uint8) [?, {size}, {size}, 3]"]
    expected += [f"{name} tensor(float) [?, {width}]" for name, width in spec.outputs.items()]
    if len(session.get_inputs()) != 1 or found != expected:
        cause = f"has the inputs and outputs {', '.join(found)}, expected {', '.join(expected)}"
        raise ModelError(path, cause, "convert the model again by: pptsn convert onnx")


def _told(value: Any) -> str:
    """Return what an input or output is: its name, type and shape, with ? for what is not fixed."""
    sizes = [str(size) if isinstance(size, int) else "?" for size in value.shape]
    return f"{value.name} {value.type} [{', '.join(sizes)}]"
