"""A GPU of ordinary memory: stand-ins for PyCUDA, TensorRT and cuda-bindings, with the calls that we make.

Nothing on a stream happens before the stream is synchronised, copies included: who reads a result too early, or
overwrites a buffer that is in flight, gets wrong numbers.  Calls outside a current context fail, as do addresses
that were freed.  `events` tells what was released, in order.
"""

from __future__ import annotations

import enum
import math
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.engines.tensorrt.cuda import open_cuda


class CudaError(Exception):
    pass


class CudaMemoryError(CudaError, MemoryError):
    pass


@dataclass
class FakeGpu:
    integrated: bool = False
    count: int = 1
    capability: tuple[int, int] = (8, 7)
    free: int = 10**9
    broken: bool = False  # cuInit fails
    fails: str = ""  # the next synchronisation raises this
    events: list[str] = field(default_factory=list)
    streams: dict[int, FakeStream] = field(default_factory=dict)
    memory: dict[int, np.ndarray] = field(default_factory=dict)
    copied_bytes: int = 0
    host_allocations: int = 0  # page-locked ones that were not freed
    stacks: threading.local = field(default_factory=threading.local)

    @property
    def stack(self) -> list[object]:
        if not hasattr(self.stacks, "contexts"):
            self.stacks.contexts = []
        return self.stacks.contexts

    def check(self) -> None:
        if not self.stack:
            raise CudaError("no context is current in this thread")

    def view(self, address: int, nbytes: int) -> np.ndarray:
        """Return the live memory at `address`."""
        array = self.memory.get(address)
        if array is None or array.nbytes < nbytes:
            raise CudaError("an illegal memory access was encountered")
        return array[:nbytes]


class FakeStream:
    def __init__(self, gpu: FakeGpu, flags: int) -> None:
        gpu.check()
        assert flags == 1, "a blocking stream would wait for everybody else's work"
        self.gpu = gpu
        self.handle = 1000 + len(gpu.streams)
        self.queue: list[Callable[[], None]] = []
        self.recorded: list[Callable[[], None]] | None = None
        gpu.streams[self.handle] = self

    def put(self, work: Callable[[], None]) -> None:
        (self.queue if self.recorded is None else self.recorded).append(work)

    def synchronize(self) -> None:
        self.gpu.check()
        assert self.recorded is None, "synchronised while recording"
        if self.gpu.fails:
            raise CudaError(self.gpu.fails)
        queue, self.queue = self.queue, []
        for work in queue:
            work()


class _HostAllocation:
    """Page-locked memory; as PyCUDA's, it cannot be freed where its context is not current, and says so."""

    def __init__(self, gpu: FakeGpu, shape: tuple[int, ...], dtype: Any, mapped: bool) -> None:
        self.array = np.full(math.prod(shape) * np.dtype(dtype).itemsize, 170, np.uint8)
        self.gpu, self.mapped = gpu, mapped
        self.freed = False
        gpu.host_allocations += 1
        self.__array_interface__ = {
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "data": (self.array.ctypes.data, False),
            "version": 3,
        }

    def free(self) -> None:
        self.gpu.check()
        assert not self.freed
        self.freed = True
        self.gpu.host_allocations -= 1

    def __del__(self) -> None:
        if self.freed:
            return
        if self.gpu.stack:
            self.free()
        else:
            self.gpu.events.append("pagelocked_host_allocation in out-of-thread context could not be cleaned up")

    def get_device_pointer(self) -> int:
        assert self.mapped
        address = 2**40 + len(self.gpu.memory) * 2**24
        self.gpu.memory[address] = self.array
        return address


class _DeviceAllocation:
    def __init__(self, gpu: FakeGpu, nbytes: int) -> None:
        gpu.check()
        if nbytes > gpu.free:
            raise CudaMemoryError("cuMemAlloc failed: out of memory")
        gpu.free -= nbytes
        self.gpu, self.nbytes = gpu, nbytes
        self.address = 2**30 + len(gpu.memory) * 2**24
        gpu.memory[self.address] = np.full(nbytes, 170, np.uint8)

    def __int__(self) -> int:
        return self.address

    def free(self) -> None:
        self.gpu.check()
        self.gpu.memory[self.address] = np.empty(0, np.uint8)
        self.gpu.free += self.nbytes
        self.gpu.events.append("buffer")


class _PrimaryContext:
    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu

    def push(self) -> None:
        self.gpu.stack.append(self)

    def pop(self) -> None:
        self.gpu.stack.pop()


class _Device:
    gpu: FakeGpu

    def __init__(self, index: int) -> None:
        assert index < self.gpu.count

    @classmethod
    def count(cls) -> int:
        return cls.gpu.count

    def retain_primary_context(self) -> _PrimaryContext:
        return _PrimaryContext(self.gpu)

    def name(self) -> str:
        return "Fake Orin"

    def compute_capability(self) -> tuple[int, int]:
        return self.gpu.capability

    def get_attribute(self, attribute: str) -> int:
        return {"integrated": int(self.gpu.integrated)}[attribute]


class _Driver(ModuleType):
    """The module pycuda.driver."""

    Error, MemoryError = CudaError, CudaMemoryError
    host_alloc_flags = SimpleNamespace(DEVICEMAP=2)
    device_attribute = SimpleNamespace(INTEGRATED="integrated")

    def __init__(self, gpu: FakeGpu) -> None:
        super().__init__("pycuda.driver")
        self.gpu = gpu
        self.Device = type("Device", (_Device,), {"gpu": gpu})

    def init(self) -> None:
        if self.gpu.broken:
            raise CudaError("cuInit failed: no CUDA-capable device is detected")

    def get_version(self) -> tuple[int, int, int]:
        return 12, 6, 0

    def get_driver_version(self) -> int:
        return 13000

    def Stream(self, flags: int = 0) -> FakeStream:  # noqa: N802
        return FakeStream(self.gpu, flags)

    def mem_alloc(self, nbytes: int) -> _DeviceAllocation:
        return _DeviceAllocation(self.gpu, nbytes)

    def mem_get_info(self) -> tuple[int, int]:
        self.gpu.check()
        return self.gpu.free, 10**9

    def pagelocked_empty(
        self, shape: tuple[int, ...], dtype: Any, order: str = "C", mem_flags: int = 0
    ) -> np.ndarray:
        self.gpu.check()
        return np.asarray(_HostAllocation(self.gpu, shape, dtype, mapped=mem_flags == 2))

    def memcpy_htod_async(self, dest: int, src: np.ndarray, stream: FakeStream) -> None:
        self.gpu.check()
        self.gpu.copied_bytes += src.nbytes
        stream.put(lambda: np.copyto(self.gpu.view(dest, src.nbytes), src.reshape(-1).view(np.uint8)))

    def memcpy_dtoh_async(self, dest: np.ndarray, src: int, stream: FakeStream) -> None:
        self.gpu.check()
        self.gpu.copied_bytes += dest.nbytes
        stream.put(lambda: np.copyto(dest.reshape(-1).view(np.uint8), self.gpu.view(src, dest.nbytes)))


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    UINT8 = 1
    FLOAT = 2
    HALF = 3


@dataclass
class FakePlan:
    """What the fake TensorRT makes of any bytes: logits of (mean red, green, blue, red) of each crop.

    features: whether it gives the first and the last value of each crop too.
    """

    gpu: FakeGpu
    size: int = 32
    profile: tuple[int, int, int] = (1, 4, 8)
    refused: str = ""  # what the logger hears instead
    contexts: int = 100  # so many can be had
    crops_type: DataType = DataType.UINT8
    static: bool = False
    features: bool = False
    runs: list[int] = field(default_factory=list)  # rows of each execution
    fails: bool = False  # execute_async_v3 says no
    fails_recording: bool = False

    @property
    def tensors(self) -> tuple[str, ...]:
        return ("crops", "logits", "features") if self.features else ("crops", "logits")

    def shape(self, name: str, rows: int = -1) -> tuple[int, ...]:
        rows = self.profile[1] if self.static else rows
        return (rows, *{"crops": (self.size, self.size, 3), "logits": (4,), "features": (2,)}[name])


class _Context:
    def __init__(self, plan: FakePlan) -> None:
        self.plan, self.rows = plan, -1
        self.ran = False  # with this shape
        self.addresses: dict[str, int] = {}

    def __del__(self) -> None:
        self.plan.gpu.events.append("context")

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.plan.shape(name, self.rows)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        smallest, _best, largest = self.plan.profile
        if name != "crops" or shape != self.plan.shape("crops", shape[0]) or not smallest <= shape[0] <= largest:
            return False
        self.rows, self.ran = shape[0], False
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        plan, gpu, addresses, rows = self.plan, self.plan.gpu, dict(self.addresses), self.rows
        stream = gpu.streams[stream_handle]
        gpu.check()
        if plan.fails or (plan.fails_recording and stream.recorded is not None):
            return False

        recorded = stream.recorded is not None
        if recorded and not self.ran:
            raise CudaError("operation not permitted when stream is capturing")  # the first run allocates

        def work() -> None:
            if recorded and self.rows != rows:
                raise CudaError("a graph ran whose context was changed since")
            shape = plan.shape("crops", rows)
            crops = gpu.view(addresses["crops"], math.prod(shape)).reshape(shape)
            plan.runs.append(len(crops))
            self.ran = True
            given = {"logits": means(crops), "features": corners(crops)}
            for name in plan.tensors[1:]:
                result = given[name]
                np.copyto(gpu.view(addresses[name], result.nbytes), result.reshape(-1).view(np.uint8))

        stream.put(work)
        return True


class _Engine:
    device_memory_size_v2 = 123_456

    def __init__(self, plan: FakePlan, logger: Any) -> None:
        self.plan, self.logger = plan, logger

    def __del__(self) -> None:
        self.plan.gpu.events.append("engine")

    @property
    def num_io_tensors(self) -> int:
        return len(self.plan.tensors)

    def get_tensor_name(self, index: int) -> str:
        return self.plan.tensors[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name == "crops" else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.plan.crops_type if name == "crops" else DataType.FLOAT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.plan.shape(name)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert profile_index == 0
        return [self.plan.shape(name, rows) for rows in self.plan.profile]

    def create_execution_context(self) -> _Context | None:
        self.plan.gpu.check()
        if self.plan.contexts == 0:
            self.logger.log(1, "[defaultAllocator.cpp] Cuda Runtime (out of memory)")
            return None
        self.plan.contexts -= 1
        return _Context(self.plan)


def tensorrt_module(plan: FakePlan, version: str) -> ModuleType:
    """Return a module like `tensorrt`, whose plans all are `plan`."""

    class ILogger:
        pass

    class Runtime:
        def __init__(self, logger: Any) -> None:
            plan.gpu.check()
            self.logger = logger
            self.engine_host_code_allowed = False

        def __del__(self) -> None:
            plan.gpu.events.append("runtime")

        def deserialize_cuda_engine(self, data: bytes) -> _Engine | None:
            plan.gpu.events.append("deserialise")
            if plan.refused:
                self.logger.log(1, plan.refused)
                return None
            return _Engine(plan, self.logger)

    return _module(
        "tensorrt",
        __version__=version,
        ILogger=ILogger,
        Builder=object,
        Runtime=Runtime,
        TensorIOMode=TensorIOMode,
        DataType=DataType,
    )


def cuda_bindings(gpu: FakeGpu) -> ModuleType:
    """Return a module like `cuda.bindings.driver`, over the streams of `gpu`."""
    success = SimpleNamespace(name="CUDA_SUCCESS")

    def begin(stream: int, mode: str) -> tuple[Any, ...]:
        gpu.streams[stream].recorded = []
        return (success,)

    def end(stream: int) -> tuple[Any, ...]:
        graph, gpu.streams[stream].recorded = gpu.streams[stream].recorded, None
        return success, graph

    def launch(graph: list[Callable[[], None]], stream: int) -> tuple[Any, ...]:
        gpu.events.append("launch")
        gpu.streams[stream].queue.extend(graph)
        return (success,)

    def destroy(graph: object) -> tuple[Any, ...]:
        gpu.events.append("graph")
        return (success,)

    return _module(
        "cuda.bindings.driver",
        CUresult=SimpleNamespace(CUDA_SUCCESS=success),
        CUstream=int,
        CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="thread"),
        cuStreamBeginCapture=begin,
        cuStreamEndCapture=end,
        cuGraphInstantiate=lambda graph, flags: (success, graph),
        cuGraphDestroy=lambda graph: (success,),
        cuGraphLaunch=launch,
        cuGraphExecDestroy=destroy,
    )


def means(crops: np.ndarray) -> np.ndarray:
    """Return what the fake network gives for `crops` (N, S, S, 3) uint8: (N, 4) float32."""
    colours = crops.mean(axis=(1, 2)).astype(np.float32)
    return np.ascontiguousarray(np.concatenate([colours, colours[:, :1]], axis=1))


def corners(crops: np.ndarray) -> np.ndarray:
    """Return the features that the fake network gives for `crops` (N, S, S, 3) uint8: (N, 2) float32."""
    return np.stack([crops[:, 0, 0, 0], crops[:, -1, -1, -1]], axis=1).astype(np.float32)


def install_pycuda(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> None:
    """Make `import pycuda.driver` find `gpu`, for one test."""
    driver = _Driver(gpu)
    monkeypatch.setitem(sys.modules, "pycuda", _module("pycuda", driver=driver))
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.setattr("pptsn.runtime.engines.tensorrt.cuda.open_cuda", open_cuda.__wrapped__)
    monkeypatch.setattr("pptsn.runtime.engines.tensorrt.engine.open_cuda", open_cuda.__wrapped__)


def install_cuda_bindings(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> None:
    """Make `from cuda.bindings import driver` find `gpu`, for one test."""
    driver = cuda_bindings(gpu)
    bindings = _module("cuda.bindings", driver=driver)
    for module in (_module("cuda", bindings=bindings), bindings, driver):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(members)
    return module
