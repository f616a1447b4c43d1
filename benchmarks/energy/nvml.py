"""NVML: the energy of NVIDIA's GPUs, by the package nvidia-ml-py, whose module is `pynvml`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

from benchmarks.energy.sensors import Sensor, SensorError
from runtime.errors import install_command

_MILLI = 1e-3


def nvml_sensors() -> tuple[list[Sensor], list[str], Callable[[], None]]:
    """Return a sensor for each GPU, notes on those that tell nothing, and what closes NVML.

    A GPU counts its energy since Volta; of an older one the power is sampled.
    """
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return [], [f"NVML: nvidia-ml-py is not installed; {install_command('bench')}"], _nothing
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [], [f"NVML: no GPU to ask ({error})"], _nothing
    sensors, notes = [], []
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                sensors.append(_sensor(pynvml, index))
            except (SensorError, pynvml.NVMLError) as error:
                notes.append(f"NVML: GPU {index} tells nothing ({error})")
    except pynvml.NVMLError as error:
        notes.append(f"NVML: the GPUs cannot be listed ({error})")
    if not sensors and not notes:
        notes.append("NVML: no GPU")
    return sensors, notes, partial(_shut_down, pynvml)


def _sensor(pynvml: ModuleType, index: int) -> Sensor:
    """Return the sensor of GPU `index`, read once; raises NVMLError, or SensorError where that failed."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = f"GPU {index} (NVML)"
    energy = partial(_read, pynvml, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    try:
        energy()
        return Sensor(name=name, read=energy, counts=True)
    except SensorError:  # older than Volta, or a part of a GPU
        power = partial(_read, pynvml, pynvml.nvmlDeviceGetPowerUsage, handle)
        power()
        return Sensor(name=name, read=power, counts=False)


def _read(pynvml: ModuleType, ask: Callable[[Any], int], handle: Any) -> float:
    """Return what `ask` says in joules or watts: NVML has thousandths of both."""
    try:
        return ask(handle) * _MILLI
    except pynvml.NVMLError as error:
        raise SensorError(str(error)) from None


def _shut_down(pynvml: ModuleType) -> None:
    with suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()


def _nothing() -> None:
    pass
