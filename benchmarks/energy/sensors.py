"""What tells energy or power: RAPL, NVML and a Jetson's own sensors, and how their readings become joules."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pptsn.runtime.base.errors import install_command

# The parts of a machine that take energy, beside its GPUs, which are called `cuda:N`.
PROCESSOR, BOARD = "cpu", "board"


class SensorError(Exception):
    """A sensor that cannot be read; `str()` is a phrase for people."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One sensor, of a part that no other sensor covers.

    name: for people: "GPU 0 (NVML)".  part: what it covers: PROCESSOR, `cuda:N`, or BOARD, which has all in it.
    read: returns joules that only grow where `counts`, else the watts of this moment; raises SensorError.
    wraps_at_j: where a counter starts again from 0, or None.
    """

    name: str
    part: str
    read: Callable[[], float]
    counts: bool
    wraps_at_j: float | None = None


@dataclass(frozen=True)
class Lack:
    """A part whose energy cannot be told, or not all of it, and why; `cuda` stands for all GPUs."""

    part: str
    note: str

    def concerns(self, parts: Collection[str]) -> bool:
        """Whether it is one of `parts`."""
        return self.part in parts or (self.part == "cuda" and any(part.startswith("cuda:") for part in parts))


class Meter:
    """Sums up what one sensor tells from its first reading to its last; raises SensorError as the sensor does.

    Power is integrated by the trapezoid rule.  A counter that went back by itself has started again: it must be
    read at least once each time round.
    """

    def __init__(self, sensor: Sensor, at_s: float) -> None:
        self.sensor = sensor
        self.joules = 0.0
        self._value, self._at_s = sensor.read(), at_s

    def read(self, at_s: float) -> None:
        """Take a reading at `at_s`, by a clock that never steps."""
        value = self.sensor.read()
        if self.sensor.counts:
            self.joules += self._since(value)
        else:
            self.joules += (value + self._value) / 2 * (at_s - self._at_s)
        self._value, self._at_s = value, at_s

    def _since(self, value: float) -> float:
        passed = value - self._value
        if passed >= 0:
            return passed
        if self.sensor.wraps_at_j is None:
            raise SensorError("its counter went backwards")
        return passed + self.sensor.wraps_at_j


_FOLDER = "sys/class/powercap"
_MICROJOULES = 1e-6


def rapl_sensors(root: Path = Path("/")) -> tuple[list[Sensor], list[Lack]]:
    """Return a sensor for each package and its memory, and what cannot be read.

    Left out are the parts of a package (`core`, `uncore`), which it counts itself, and the whole platform
    (`psys`), which counts the packages.  root: where `/sys` is.
    """
    zones = [zone for zone in sorted((root / _FOLDER).glob("intel-rapl:*")) if _is_whole(zone)]
    if not zones:
        return [], [Lack(PROCESSOR, "RAPL: this machine has no energy counters")]
    sensors, lacks = [], []
    for zone in zones:
        try:
            sensors.append(_zone_sensor(zone))
        except SensorError as error:
            lacks.append(Lack(PROCESSOR, f"RAPL: {error}"))
    return sensors, lacks


def _is_whole(zone: Path) -> bool:
    name = _zone_name(zone)
    return name.startswith("package") or name == "dram"


def _zone_name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _zone_sensor(zone: Path) -> Sensor:
    """Return the sensor of `zone`, read once; raises SensorError where that failed."""
    counter = zone / "energy_uj"
    _joules(counter)
    name = _zone_name(zone)
    # The memory of package 0 is zone intel-rapl:0:M: two sockets have two that are called `dram`.
    shown = name if name.startswith("package") else f"{name}-{zone.name.split(':')[1]}"
    return Sensor(
        name=f"{shown} (RAPL)",
        part=PROCESSOR,
        read=partial(_joules, counter),
        counts=True,
        wraps_at_j=_joules(zone / "max_energy_range_uj"),
    )


def _joules(path: Path) -> float:
    try:
        return int(path.read_text()) * _MICROJOULES
    except PermissionError:
        raise SensorError(f"no permission to read {path}: run as root, or allow it by: chmod a+r {path}") from None
    except (OSError, ValueError) as error:
        raise SensorError(f"{path} cannot be read ({error})") from None


_MILLI = 1e-3


def nvml_sensors(stack: ExitStack, environment: Mapping[str, str] = os.environ) -> tuple[list[Sensor], list[Lack]]:
    """Return a sensor for each GPU that CUDA has, and those that tell nothing; `stack` closes NVML.

    A GPU counts its energy since Volta; of an older one the power is sampled.
    environment: where CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER, if set, say which GPU is `cuda:0`.
    """
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return [], [_gpu_lack(f"nvidia-ml-py is not installed; {install_command('bench')}")]
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [], [_gpu_lack(f"no GPU to ask ({error})")]
    stack.callback(_shut_down, pynvml)
    sensors, lacks = [], []
    try:
        for ordinal, index in enumerate(_in_cudas_order(pynvml, environment)):
            part = f"cuda:{ordinal}"
            try:
                sensors.append(_gpu_sensor(pynvml, index, part))
            except (SensorError, pynvml.NVMLError) as error:
                lacks.append(_gpu_lack(f"GPU {index} tells nothing ({error})", part))
    except (SensorError, pynvml.NVMLError) as error:
        lacks.append(_gpu_lack(f"the GPUs cannot be listed ({error})"))
    if not sensors and not lacks:
        lacks.append(_gpu_lack("no GPU"))
    return sensors, lacks


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


def _gpu_sensor(pynvml: ModuleType, index: int, part: str) -> Sensor:
    """Return the sensor of GPU `index`, read once; raises NVMLError, or SensorError where that failed."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = f"GPU {index} (NVML)"
    energy = partial(_nvml_reading, pynvml, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    try:
        energy()
        return Sensor(name=name, part=part, read=energy, counts=True)
    except SensorError:  # older than Volta, or a part of a GPU
        power = partial(_nvml_reading, pynvml, pynvml.nvmlDeviceGetPowerUsage, handle)
        power()
        return Sensor(name=name, part=part, read=power, counts=False)


def _nvml_reading(pynvml: ModuleType, ask: Callable[[Any], int], handle: Any) -> float:
    """Return what `ask` says in joules or watts: NVML has thousandths of both."""
    try:
        return ask(handle) * _MILLI
    except pynvml.NVMLError as error:
        raise SensorError(str(error)) from None


def _gpu_lack(cause: str, part: str = "cuda") -> Lack:
    return Lack(part, f"NVML: {cause}")


def _shut_down(pynvml: ModuleType) -> None:
    with suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()


# How often its service looks at the sensors for us.
_INTERVAL_S = 0.2
_INSTALL = "sudo pip3 install -U jetson-stats; sudo systemctl restart jtop"


def jetson_sensors(stack: ExitStack, root: Path = Path("/")) -> tuple[list[Sensor], list[Lack]]:
    """Return the sensor of the board, and why there is none; `stack` ends the connection to its service.

    root: where `/etc` is.  Elsewhere than on a Jetson there is nothing to say.
    """
    try:
        jtop = importlib.import_module("jtop")
    except ImportError:
        on_jetson = (root / "etc/nv_tegra_release").exists()
        return [], [_board_lack(f"jetson-stats is not installed; {_INSTALL}")] if on_jetson else []
    try:
        service = jtop.jtop(interval=_INTERVAL_S)
        service.start()
    except (jtop.JtopException, OSError) as error:
        return [], [_board_lack(f"the service of jetson-stats does not answer ({error}); {_INSTALL}")]
    stack.callback(_close_service, service)
    watts = partial(_board_watts, service, jtop.JtopException)
    try:
        watts()
    except SensorError as error:
        return [], [_board_lack(str(error))]
    return [Sensor(name="board (jetson-stats)", part=BOARD, read=watts, counts=False)], []


def _board_watts(service: Any, failure: type[Exception]) -> float:
    """Return the present power of the board, which the service has in milliwatts (jetson-stats 4)."""
    try:
        if not service.ok(spin=True):  # without waiting for its next look at the sensors
            raise SensorError("the service of jetson-stats has gone")
    except (failure, OSError, EOFError) as error:  # what its thread met meanwhile
        raise SensorError(f"the service of jetson-stats has gone ({error})") from None
    try:
        return float(service.power["tot"]["power"]) * _MILLI
    except (KeyError, TypeError, ValueError):
        raise SensorError("this board tells no power to jetson-stats") from None


def _board_lack(cause: str) -> Lack:
    return Lack(BOARD, f"Jetson: {cause}")


def _close_service(service: Any) -> None:
    with suppress(OSError):
        service.close()
