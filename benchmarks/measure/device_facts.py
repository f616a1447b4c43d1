"""What a result on a device depends on beside the program: power mode, clocks, temperatures, releases."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

_TIMEOUT_S = 20
_GPU_FIELDS = ("name", "driver_version", "power.limit", "clocks.sm", "clocks.mem", "temperature.gpu")


def device_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Return what this machine tells of itself; None, or nothing, for what it does not have.

    board, l4t: a Jetson's model and release; power_mode: the lines of `nvpmodel -q`; clocks_mhz: of CPU cores and
    devices; temperatures_c: by zone; gpus: what nvidia-smi says of each, as text with units.
    root: where `/etc`, `/proc` and `/sys` are.
    """
    release = _text(root / "etc/nv_tegra_release")
    return {
        "board": _text(root / "proc/device-tree/model"),
        "l4t": release.splitlines()[0] if release else None,
        "power_mode": _output_lines("nvpmodel", "-q"),
        "clocks_mhz": clocks_mhz(root),
        "temperatures_c": temperatures_c(root),
        "gpus": _gpus(),
    }


def temperatures_c(root: Path = Path("/")) -> dict[str, float]:
    """Return the temperature of each thermal zone that tells one, in degrees Celsius."""
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, value = _text(zone / "type"), _number(zone / "temp")
        if value is not None:
            found[f"{zone.name.removeprefix('thermal_zone')} {name}"] = value / 1000
    return found


def clocks_mhz(root: Path = Path("/")) -> dict[str, float]:
    """Return the present clock of each CPU core and of each device that scales its own, in MHz."""
    found = {}
    for core in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*")):
        value = _number(core / "cpufreq/scaling_cur_freq")
        if value is not None:
            found[core.name] = value / 1e3
    for device in sorted((root / "sys/class/devfreq").glob("*")):
        value = _number(device / "cur_freq")
        if value is not None:
            found[device.name] = value / 1e6
    return found


def _gpus() -> list[dict[str, str]]:
    lines = _output_lines("nvidia-smi", f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader")
    return [dict(zip(_GPU_FIELDS, line.split(", "), strict=False)) for line in lines or ()]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0 \n") or None
    except OSError:  # not there, or a sensor that is switched off
        return None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None


def _output_lines(program: str, *arguments: str) -> list[str] | None:
    """Return the lines that `program` prints, or None where it is not there or fails."""
    place = shutil.which(program)
    if place is None:
        return None
    try:
        child = subprocess.run(
            [place, *arguments], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.strip() for line in child.stdout.splitlines() if line.strip()]
