"""Where a model runs, and the error of a device without enough memory."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import MISSING, MissingDependencyError, PptsnError, UsageError

# The driver's own files, in a container too; the last one is a Jetson's.
_SIGNS_OF_A_GPU = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/etc/nv_tegra_release"))


class DeviceError(PptsnError):
    """A device that failed while it worked, or that lacks the memory that the request needs."""

    exit_code = MISSING


@dataclass(frozen=True)
class Device:
    """A CPU, or one GPU by its number."""

    kind: str
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> Device:
        """Read `cpu`, `cuda` or `cuda:N`; raises UsageError for anything else."""
        match = re.fullmatch(r"(cpu)|cuda(?::(\d+))?", text)
        if match is None:
            raise UsageError("--device", f"unknown device {text!r}", "choose auto, cpu, cuda or cuda:N")
        return cls("cpu") if match[1] else cls("cuda", int(match[2] or 0))

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"cuda:{self.index}"


# In place of the numbers: all that CUDA shows to this process.
_ALL = "cuda:all"
_DRIVER = "libcuda.so.1"
_PCI_BUS_ID_SIZE = 32  # more than its text ever has


def named_devices(text: str) -> tuple[Device, ...]:
    """Return the devices that `text` names: what `Device.parse` reads, GPUs as `cuda:0,cuda:1`, or `cuda:all`.

    Raises UsageError for anything else, and MissingDependencyError for `cuda:all` where there is no GPU.
    """
    if text == _ALL:
        count = gpu_count()
        if not count:
            cause = "there is no GPU that CUDA can use"
            raise MissingDependencyError(f"device {_ALL}", cause, "check the NVIDIA driver by: nvidia-smi")
        return tuple(Device("cuda", index) for index in range(count))
    devices = tuple(Device.parse(part.strip()) for part in text.split(","))
    if len(devices) > 1 and any(device.kind == "cpu" for device in devices):
        raise UsageError("--device", f"{text!r} has the CPU among others", "name GPUs alone, as cuda:0,cuda:1")
    if len(set(devices)) < len(devices):
        raise UsageError("--device", f"{text!r} names a device twice", "name each once")
    return devices


def gpu_count() -> int:
    """Return how many GPUs CUDA shows to this process, by the driver's library; 0 without one."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL(_DRIVER)
        failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else count.value


def pci_bus_id(index: int) -> str | None:
    """Return where the GPU sits that CUDA counts as `index`, as "0000:65:00.0"; None where there is none."""
    device, text = ctypes.c_int(0), ctypes.create_string_buffer(_PCI_BUS_ID_SIZE)
    try:
        driver = ctypes.CDLL(_DRIVER)
        failed = (
            driver.cuInit(0)
            or driver.cuDeviceGet(ctypes.byref(device), index)
            or driver.cuDeviceGetPCIBusId(text, len(text), device)
        )
    except (OSError, AttributeError):
        return None
    return None if failed else text.value.decode().lower()


def driver_is_here() -> bool:
    """Whether this machine looks like one with an NVIDIA GPU: it has the driver, or is a Jetson."""
    return any(path.exists() for path in _SIGNS_OF_A_GPU)


_SMALLER_PLAN = (
    "close other programs that use the GPU, or build the plan with a smaller batch: "
    "pptsn convert engine --batch MIN,OPT,MAX"
)


def out_of_memory(
    device: Device | str,
    what: str,
    *,
    needed_bytes: int | None,
    free_bytes: int | None,
    remedy: str = _SMALLER_PLAN,
) -> DeviceError:
    """Return the error for `what`, a short description of the allocation, that did not fit on `device`."""
    needed = "" if needed_bytes is None else f" of {needed_bytes:,} bytes"
    free = "" if free_bytes is None else f", {free_bytes:,} bytes are free"
    return DeviceError(f"device {device}", f"out of memory: no room for {what}{needed}{free}", remedy)
