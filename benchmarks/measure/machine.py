"""The machine that was measured: what its figures depend on, and nothing that names its owner."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from pptsn.runtime.base import __version__
from pptsn.runtime.base.cores import available_cores

T = TypeVar("T")

_CHECKOUT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 20
_GPU_FIELDS = ("name", "driver_version", "power.limit", "clocks.sm", "clocks.mem", "temperature.gpu")
_PACKAGES = (
    "numpy",
    "av",
    "opencv-python-headless",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt_rtx_cu13_bindings",
    "mlcommons-loadgen",
)
# Arm's own numbers of designers and cores (MIDR_EL1), for machines that tell their cores by number alone.
# By hand: py-cpuinfo calls a Jetson's cores "ARMv8 Processor rev 1 (v8l)", as its kernel does, and takes 1.5 s.
_ARM_CORES = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
}


def machine_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Return what the figures depend on; None for what this machine does not tell, and never an exception.

    cpu: its name; architecture; cores: that this process may use; cores_present; core_quota: to how many cores'
    time a container is limited; memory_mb: of the machine, or of the container where that is less.
    os, kernel, python: releases.  virtual: "container", "virtual machine", both, or None.
    board, l4t, power_mode: of a Jetson.  governor: how the cores choose their clock; clocks_mhz, temperatures_c:
    at this moment.  gpus: a dictionary of texts each, as nvidia-smi has them.
    packages: versions of those that are installed; ffmpeg: versions of the libraries inside PyAV.
    commit: of this checkout, and dirty: whether files differ from it; None for an installed package.

    root: where `/etc`, `/proc` and `/sys` are.
    """
    device = _told(lambda: device_facts(root)) or {}
    commit = _told(lambda: _git("rev-parse", "HEAD"))
    return {
        "cpu": _told(lambda: cpu_name(root)),
        "architecture": platform.machine() or None,
        "cores": available_cores(),
        "cores_present": os.cpu_count(),
        "core_quota": _told(lambda: _core_quota(root)),
        "memory_mb": _told(lambda: _memory_mb(root)),
        "os": _told(lambda: _os_name(root)),
        "kernel": f"{platform.system()} {platform.release()}".strip() or None,
        "python": platform.python_version(),
        "virtual": _told(lambda: _virtual(root)),
        "board": device.get("board"),
        "l4t": device.get("l4t"),
        "power_mode": device.get("power_mode"),
        "governor": _told(lambda: _governor(root)),
        "clocks_mhz": device.get("clocks_mhz") or None,
        "temperatures_c": device.get("temperatures_c") or None,
        "gpus": device.get("gpus") or None,
        "packages": _packages(),
        "ffmpeg": _ffmpeg(),
        "commit": commit,
        "dirty": _told(lambda: bool(_git("status", "--porcelain"))) if commit else None,
    }


def cpu_name(root: Path = Path("/")) -> str | None:
    """Return the processor's name, as the kernel has it on x86, or by Arm's number of its cores; None if neither.

    Raises OSError where there is no /proc/cpuinfo.
    """
    text = (root / "proc/cpuinfo").read_text(errors="replace")
    told = re.search(r"^(?:model name|Model|Hardware|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    name = " ".join(told[1].split()) if told else None
    # Jetsons tell of all their cores "ARMv8 Processor rev 1 (v8l)".
    return name if name and not name.startswith("ARMv") else _arm_cores(text) or name


def _arm_cores(text: str) -> str | None:
    designers = re.findall(r"^CPU implementer\s*:\s*(\w+)", text, re.MULTILINE)
    parts = re.findall(r"^CPU part\s*:\s*(\w+)", text, re.MULTILINE)
    pairs = zip(designers, parts, strict=False)
    cores = dict.fromkeys((int(designer, 16), int(part, 16)) for designer, part in pairs)
    named = [_ARM_CORES.get(core, "core {:#x} of designer {:#x}".format(*reversed(core))) for core in cores]
    return " and ".join(named) or None


def _told(part: Callable[[], T]) -> T | None:
    """Return what `part` returns, or None where the machine does not tell it."""
    try:
        return part()
    except (OSError, ValueError, LookupError, subprocess.SubprocessError):
        return None


def _core_quota(root: Path) -> float | None:
    quota, period = (root / "sys/fs/cgroup/cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _memory_mb(root: Path) -> int | None:
    match = re.search(r"^MemTotal:\s*(\d+) kB", (root / "proc/meminfo").read_text(), re.MULTILINE)
    present = int(match[1]) * 1024 if match else None
    limit = _told(lambda: int((root / "sys/fs/cgroup/memory.max").read_text()))  # the word "max" is no number
    known = [size for size in (present, limit) if size is not None]
    return round(min(known) / 1e6) if known else None


def _os_name(root: Path) -> str | None:
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', (root / "etc/os-release").read_text(), re.MULTILINE)
    return match[1] if match else None


def _virtual(root: Path) -> str | None:
    marks = (root / ".dockerenv", root / "run/.containerenv", root / "run/systemd/container")
    kinds = ["container"] if any(mark.exists() for mark in marks) else []
    flags = re.search(r"^flags\s*:(.*)$", (root / "proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
    if flags and "hypervisor" in flags[1].split():
        kinds.append("virtual machine")
    return " in a ".join(kinds) or None


def _governor(root: Path) -> str | None:
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({file.read_text().strip() for file in files})) or None


def _packages() -> dict[str, str]:
    # From the sources: run from a checkout it need not be installed.
    found = {"pptsn": __version__}
    return found | {name: version for name in _PACKAGES if (version := _version(name)) is not None}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _ffmpeg() -> dict[str, str] | None:
    try:
        av = importlib.import_module("av")
    except ImportError:
        return None
    return {name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())}


def _git(*arguments: str) -> str | None:
    """Return what git says of this checkout, or None where this is none; raises OSError or SubprocessError."""
    git = shutil.which("git")
    if git is None or not (_CHECKOUT / ".git").exists():
        return None
    child = subprocess.run(
        [git, "--no-optional-locks", "-C", str(_CHECKOUT), *arguments],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return child.stdout.strip()


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
    path = shutil.which(program)
    if path is None:
        return None
    try:
        child = subprocess.run(
            [path, *arguments], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.strip() for line in child.stdout.splitlines() if line.strip()]
