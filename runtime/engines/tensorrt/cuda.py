"""CUDA by PyCUDA: one GPU's memory and streams.  The only file that imports it.

Everything happens in the GPU's *primary* context, the one that TensorRT, ONNX Runtime and cuda-bindings use too.
PyCUDA keeps a stack of contexts for each thread and aborts the process where a thread ends with a stack that is
not empty, so the context is made current for the length of one block (`CudaDevice.current`) and no longer; that
also lets a thread use an engine that another one opened.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import MissingDependencyError, install_command
from pptsn.runtime.engines.device import Device, DeviceError, out_of_memory

_INSTALL = (
    f"run: {install_command('tensorrt')} (it is compiled: it needs a C++ compiler and the CUDA toolkit's headers, "
    "with nvcc on the PATH); on a Jetson JetPack has them"
)
_STREAM_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream, nor that for it


class CudaDevice:
    """One GPU.  `open_cuda` makes it; it lives as long as the process, as the primary context does.

    name: as its maker calls it.
    compute_capability: such as "8.7".
    cuda_version: that PyCUDA was compiled with, such as "12.6".
    driver_version: the CUDA version that the driver offers, such as "13.0".
    integrated: whether it shares its memory with the CPU, as on a Jetson.
    """

    def __init__(self, driver: Any, index: int) -> None:
        self._driver = driver
        self._device = Device("cuda", index)
        try:
            driver.init()
            count = driver.Device.count()
            if index >= count:
                raise MissingDependencyError(
                    f"device {self._device}",
                    f"this machine has {count} CUDA devices",
                    "choose another number, or use an .onnx file and --device cpu",
                )
            handle = driver.Device(index)
            self._context = handle.retain_primary_context()
        except driver.Error as error:
            raise MissingDependencyError(
                f"device {self._device}",
                f"CUDA does not start ({error})",
                "check the NVIDIA driver by: nvidia-smi; or use an .onnx file and --device cpu",
            ) from error
        self.name = str(handle.name())
        major, minor = handle.compute_capability()
        self.compute_capability = f"{major}.{minor}"
        self.cuda_version = ".".join(map(str, driver.get_version()[:2]))
        self.driver_version = "{}.{}".format(*divmod(driver.get_driver_version() // 10, 100))
        self.integrated = bool(handle.get_attribute(driver.device_attribute.INTEGRATED))

    def __str__(self) -> str:
        return str(self._device)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the primary context current in this thread for the length of the block.

        Raises DeviceError where something in the block fails on the GPU.
        """
        self._context.push()
        try:
            yield
        except self._driver.MemoryError as error:
            raise out_of_memory(
                self._device, f"it ({error})", needed_bytes=None, free_bytes=self.free_bytes()
            ) from error
        except self._driver.Error as error:
            raise DeviceError(
                f"device {self._device}",
                f"the GPU failed ({error})",
                "start the program again; where it comes back, check the GPU by: nvidia-smi",
            ) from error
        finally:
            self._context.pop()

    def new_stream(self) -> Any:
        """Return a stream, with `handle` (an int) and `synchronize()`; within `current`."""
        return self._driver.Stream(_STREAM_NON_BLOCKING)

    def new_buffer(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> CudaBuffer:
        """Return a page-locked host array and its like on the GPU; within `current`.

        Raises DeviceError, with the bytes, where there is no room.
        """
        try:
            return CudaBuffer(self._driver, self.current, shape, dtype, mapped=self.integrated)
        except self._driver.MemoryError as error:
            needed = math.prod(shape) * np.dtype(dtype).itemsize
            free = self.free_bytes()
            raise out_of_memory(self._device, "a batch", needed_bytes=needed, free_bytes=free) from error

    def free_bytes(self) -> int | None:
        """Return how much memory is free; None where the GPU cannot say; within `current`."""
        try:
            free, _total = self._driver.mem_get_info()
        except self._driver.Error:
            return None
        return int(free)


class CudaBuffer:
    """A page-locked host array and its like on the GPU: one memory where the two share it, else two and copies.

    current: `CudaDevice.current`.
    host: the array, C-contiguous; its memory is valid as long as somebody refers to it.
    address: of the GPU's side.
    """

    def __init__(
        self,
        driver: Any,
        current: Callable[[], AbstractContextManager[None]],
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        *,
        mapped: bool,
    ) -> None:
        self._driver = driver
        flags = driver.host_alloc_flags.DEVICEMAP if mapped else 0
        self.host: Any = driver.pagelocked_empty(shape, dtype, mem_flags=flags)
        # Left to PyCUDA, the memory would be freed without a context, as none is current when the last reference
        # goes: it warns then, and keeps the memory.
        weakref.finalize(self.host, _free_host, current, self.host.base)
        self._allocation: Any = None
        if mapped:
            self.address = int(self.host.base.get_device_pointer())
        else:
            self._allocation = driver.mem_alloc(self.host.nbytes)
            self.address = int(self._allocation)

    def upload(self, rows: int, stream: Any) -> None:
        """Queue the copy of the first `rows` rows to the GPU."""
        if self._allocation is not None:
            self._driver.memcpy_htod_async(self.address, self.host[:rows], stream)

    def download(self, rows: int, stream: Any) -> None:
        """Queue the copy of the first `rows` rows from the GPU."""
        if self._allocation is not None:
            self._driver.memcpy_dtoh_async(self.host[:rows], self.address, stream)

    def free(self) -> None:
        """Release the GPU's side; the host's goes with the last reference to `host`, since others may hold it."""
        if self._allocation is not None:
            self._allocation.free()
            self._allocation = None


def _free_host(current: Callable[[], AbstractContextManager[None]], allocation: Any) -> None:
    # Of a GPU that failed, which was reported where it happened, nothing can be freed any more.
    with suppress(DeviceError), current():
        allocation.free()


@cache
def open_cuda(index: int) -> CudaDevice:
    """Return GPU number `index`, the same object in every call.

    Raises MissingDependencyError where PyCUDA, the driver or the GPU is missing.
    """
    return CudaDevice(_import_driver(index), index)


def _import_driver(index: int) -> Any:
    try:
        import pycuda.driver as driver
    except ImportError as error:
        raise MissingDependencyError(
            f"device cuda:{index}", f"running a plan on it needs PyCUDA ({error})", _INSTALL
        ) from error
    if not hasattr(driver.Device, "retain_primary_context"):
        raise MissingDependencyError(
            "pycuda", "this version knows no primary contexts", "run: pip install --upgrade 'pycuda>=2020.1'"
        )
    return driver
