"""NVML: the energy of NVIDIA's GPUs, by the package nvidia-ml-py, whose module is `pynvml`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

from pptsn.benchmarks.energy.sensors import Lack, Sensor, SensorError
from pptsn.runtime.base.errors import install_command

_MILLI = 1e-3


def nvml_sensors(
    environment: Mapping[str, str] = os.environ,
) -> tuple[list[Sensor], list[Lack], Callable[[], None]]:
    """Return a sensor for each GPU that CUDA has, those that tell nothing, and what closes NVML.

    A GPU counts its energy since Volta; of an older one the power is sampled.
    environment: where CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER, if set, say which GPU is `cuda:0`.
    """
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return [], [_lack(f"nvidia-ml-py is not installed; {install_command('bench')}")], _nothing
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [], [_lack(f"no GPU to ask ({error})")], _nothing
    sensors, lacks = [], []
    try:
        for ordinal, index in enumerate(_in_cudas_order(pynvml, environment)):
            part = f"cuda:{ordinal}"
            try:
                sensors.append(_sensor(pynvml, index, part))
            except (SensorError, pynvml.NVMLError) as error:
                lacks.append(_lack(f"GPU {index} tells nothing ({error})", part))
    except (SensorError, pynvml.NVMLError) as error:
        lacks.append(_lack(f"the GPUs cannot be listed ({error})"))
    if not sensors and not lacks:
        lacks.append(_lack("no GPU"))
    return sensors, lacks, partial(_shut_down, pynvml)


def _in_cudas_order(pynvml: ModuleType, environment: Mapping[str, str]) -> list[int]:
    """Return NVML's indices of the GPUs in the order in which CUDA counts them.

    Raises SensorError where it cannot be told: CUDA counts the fastest first unless asked not to, NVML by the bus.
    """
    count = pynvml.nvmlDeviceGetCount()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
    kinds = {str(pynvml.nvmlDeviceGetName(handle)) for handle in handles} if count > 1 else set()
    if len(kinds) > 1 and environment.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        raise SensorError("they are of several kinds; set CUDA_DEVICE_ORDER=PCI_BUS_ID to tell which is cuda:0")
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(range(count))
    names = [name.strip() for name in visible.split(",") if name.strip()]
    if not all(name.isdecimal() and int(name) < count for name in names):
        raise SensorError(f"CUDA_VISIBLE_DEVICES is {visible!r}; name GPUs by their numbers")
    return [int(name) for name in names]


def _sensor(pynvml: ModuleType, index: int, part: str) -> Sensor:
    """Return the sensor of GPU `index`, read once; raises NVMLError, or SensorError where that failed."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = f"GPU {index} (NVML)"
    energy = partial(_read, pynvml, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    try:
        energy()
        return Sensor(name=name, part=part, read=energy, counts=True)
    except SensorError:  # older than Volta, or a part of a GPU
        power = partial(_read, pynvml, pynvml.nvmlDeviceGetPowerUsage, handle)
        power()
        return Sensor(name=name, part=part, read=power, counts=False)


def _read(pynvml: ModuleType, ask: Callable[[Any], int], handle: Any) -> float:
    """Return what `ask` says in joules or watts: NVML has thousandths of both."""
    try:
        return ask(handle) * _MILLI
    except pynvml.NVMLError as error:
        raise SensorError(str(error)) from None


def _lack(cause: str, part: str = "cuda") -> Lack:
    return Lack(part, f"NVML: {cause}")


def _shut_down(pynvml: ModuleType) -> None:
    with suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()


def _nothing() -> None:
    pass
