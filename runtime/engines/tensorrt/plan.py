"""A TensorRT plan in memory: deserialised, and checked to be the network that its manifest says it is."""

from __future__ import annotations

from typing import Any

from pptsn.runtime.base.errors import MissingDependencyError, ModelError, PptsnError
from pptsn.runtime.engines.device import out_of_memory
from pptsn.runtime.engines.tensorrt.api import TensorRT
from pptsn.runtime.engines.tensorrt.cuda import CudaDevice
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import Manifest
from pptsn.runtime.model.spec import CROPS


class Plan:
    """What `tensorrt` made of a plan's bytes.  Everything here needs the GPU's context to be current.

    profile: the smallest, best and largest number of crops that one call takes.

    Raises ModelError where the library refuses the plan or it has another interface than the manifest says, and
    DeviceError where the GPU has no room for it, MissingDependencyError where a small runtime does not start.
    """

    def __init__(self, file: ModelFile, manifest: Manifest, library: TensorRT, cuda: CudaDevice) -> None:
        self._path, self._manifest, self._library, self._cuda = file.path, manifest, library, cuda
        # The library keeps a pointer to the logger alone: it has to outlive all that is made with it.
        self._logger = library.logger()
        self._logger.clear()
        self._runtime: Any = library.module.Runtime(self._logger)
        if library.part and self._logger.errors():
            # A small runtime that did not start is there all the same, and crashes when it is used.
            raise MissingDependencyError(
                f"{library.name} ({library.part})",
                f"it does not start ({' / '.join(self._logger.errors())})",
                "check that the driver is as new as its CUDA by: nvidia-smi",
            )
        if manifest.version_compatible:
            # Such a plan carries a part of the library that built it, as code: hence the note in the engine.
            self._runtime.engine_host_code_allowed = True
        self._engine: Any = self._runtime.deserialize_cuda_engine(file.content)
        if self._engine is None:
            raise self._refusal("the plan", f"{library.name} {library.version_text} refuses it")
        try:
            self.profile = self._checked_profile()
        except PptsnError:
            self.close()
            raise

    def new_context(self) -> Any:
        """Return an execution context; raises DeviceError, with the bytes, where there is no room for it."""
        self._logger.clear()
        context = self._engine.create_execution_context()
        if context is None:
            raise self._refusal("its activations", "no execution context", int(self._engine.device_memory_size_v2))
        return context

    def failure(self, what: str) -> PptsnError:
        """Return the error for a call that the library refused, with what it logged."""
        return self._refusal("its work", what)

    def close(self) -> None:
        """Release engine and runtime, in this order, after every context; a second call does nothing."""
        self._engine = None
        self._runtime = None

    def _refusal(self, what: str, cause: str, needed_bytes: int | None = None) -> PptsnError:
        text = " / ".join(dict.fromkeys(self._logger.errors())) or "no message"
        if "out of memory" in text.lower() or "outofmemory" in text.lower():
            free = self._cuda.free_bytes()
            return out_of_memory(str(self._cuda), f"{what} ({text})", needed_bytes=needed_bytes, free_bytes=free)
        remedy = f"rebuild it here by: {self._manifest.rebuild_command(self._path)}"
        return ModelError(self._path, f"{cause} ({text})", remedy)

    def _checked_profile(self) -> tuple[int, int, int]:
        """Return the profile, after comparing the plan's tensors with the spec."""
        # The engine is named by `self` alone: a local name would keep it alive in a traceback, beyond its runtime.
        trt, spec = self._library.module, self._manifest.spec
        crop: tuple[int, ...] = (spec.crop_size, spec.crop_size, 3)
        expected = {
            CROPS: (trt.TensorIOMode.INPUT, trt.DataType.UINT8, crop),
        }
        for name, width in spec.outputs.items():
            expected[name] = trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT, (width,)
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        found = {
            name: (
                self._engine.get_tensor_mode(name),
                self._engine.get_tensor_dtype(name),
                tuple(self._engine.get_tensor_shape(name))[1:],
            )
            for name in names
        }
        if found != expected:
            raise ModelError(
                self._path,
                f"has the tensors {_described(found)}, expected {_described(expected)}",
                f"rebuild it by: {self._manifest.rebuild_command(self._path)}",
            )
        static = _first(self._engine.get_tensor_shape(CROPS))
        for name in spec.outputs:
            if _first(self._engine.get_tensor_shape(name)) not in (static, -1):
                raise ModelError(
                    self._path, f"gives another number of rows of {name} than it takes crops", "rebuild it"
                )
        if static > 0:
            return static, static, static
        smallest, best, largest = map(_first, self._engine.get_tensor_profile_shape(CROPS, 0))
        return smallest, best, largest


def _first(shape: Any) -> int:
    return int(next(iter(shape)))


def _described(tensors: dict[str, tuple[Any, Any, tuple[int, ...]]]) -> str:
    """Return tensors as text: `crops (input uint8 N x 224 x 224 x 3)`."""
    parts = []
    for name, (mode, dtype, shape) in tensors.items():
        kind, number = (getattr(value, "name", str(value)).lower() for value in (mode, dtype))
        parts.append(f"{name} ({kind} {number} {' x '.join(['N', *map(str, shape)])})")
    return ", ".join(parts)
