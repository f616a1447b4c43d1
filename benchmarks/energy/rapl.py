"""RAPL: the energy counters of x86 processors, as Linux offers them (Documentation/power/powercap)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pptsn.benchmarks.energy.sensors import PROCESSOR, Lack, Sensor, SensorError

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
            sensors.append(_sensor(zone))
        except SensorError as error:
            lacks.append(Lack(PROCESSOR, f"RAPL: {error}"))
    return sensors, lacks


def _is_whole(zone: Path) -> bool:
    name = _name(zone)
    return name.startswith("package") or name == "dram"


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _sensor(zone: Path) -> Sensor:
    """Return the sensor of `zone`, read once; raises SensorError where that failed."""
    counter = zone / "energy_uj"
    _joules(counter)
    name = _name(zone)
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
