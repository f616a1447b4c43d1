"""The machine that was measured: what its figures depend on, and nothing that names its owner."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from pptsn.runtime.base import __version__
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.processor import processor_features, processor_name

_CHECKOUT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 20
_GPU_FIELDS = ("name", "driver_version", "power.limit", "clocks.sm", "clocks.mem", "temperature.gpu")
_PACKAGES = (
    "numpy",
    "av",
    "opencv-python-headless",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt_rtx_cu13_bindings",
    "mlcommons-loadgen",
)


def machine_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Return what the figures depend on; None for what this machine does not tell, and never an exception.

    cpu: its name; architecture; cores: that this process may use; cores_present; core_quota: to how many cores'
    time a container is limited; memory_mb: of the machine, or of the container where that is less.
    os, kernel, python: releases.  virtual: "container", "virtual machine", both, or None.
    board, l4t, power_mode: of a Jetson: its model, its release, and the lines of `nvpmodel -q`.
    governor: how the cores choose their clock; clocks_mhz: of cores and devices, and temperatures_c: by zone, at
    this moment.  gpus: a dictionary of texts each, as nvidia-smi has them, with units.
    packages: versions of those that are installed; ffmpeg: versions of the libraries inside PyAV.
    commit: of this checkout, and dirty: whether files differ from it; None for an installed package.

    root: where `/etc`, `/proc` and `/sys` are.
    """
    release = _text(root / "etc/nv_tegra_release")
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return {
        "cpu": processor_name(root),
        "architecture": platform.machine() or None,
        "cores": available_cores(),
        "cores_present": os.cpu_count(),
        "core_quota": _core_quota(root),
        "memory_mb": _memory_mb(root),
        "os": _field(root / "etc/os-release", r'PRETTY_NAME="?([^"\n]+)'),
        "kernel": f"{platform.system()} {platform.release()}".strip() or None,
        "python": platform.python_version(),
        "virtual": _virtual(root),
        "board": _text(root / "proc/device-tree/model"),
        "l4t": release.splitlines()[0] if release else None,
        "power_mode": _output_lines("nvpmodel", "-q"),
        "governor": _governor(root),
        "clocks_mhz": _clocks_mhz(root) or None,
        "temperatures_c": temperatures_c(root) or None,
        "gpus": _gpus() or None,
        "packages": _packages(),
        "ffmpeg": _ffmpeg(),
        "commit": commit[0] if commit else None,
        "dirty": bool(changes) if commit and changes is not None else None,
    }


def _core_quota(root: Path) -> float | None:
    limits = _field(root / "sys/fs/cgroup/cpu.max", r"(\d+ \d+)$")  # the word "max" is no number
    return int(limits.split()[0]) / int(limits.split()[1]) if limits else None


def _memory_mb(root: Path) -> int | None:
    kibibytes = _field(root / "proc/meminfo", r"MemTotal:\s*(\d+) kB")
    limit = _field(root / "sys/fs/cgroup/memory.max", r"(\d+)$")
    known = [*([1024 * int(kibibytes)] if kibibytes else []), *([int(limit)] if limit else [])]
    return round(min(known) / 1e6) if known else None


def _virtual(root: Path) -> str | None:
    signs = (root / ".dockerenv", root / "run/.containerenv", root / "run/systemd/container")
    kinds = ["container"] if any(sign.exists() for sign in signs) else []
    if "hypervisor" in processor_features(root):
        kinds.append("virtual machine")
    return " in a ".join(kinds) or None


def _governor(root: Path) -> str | None:
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({governor for file in files if (governor := _text(file))})) or None


def _packages() -> dict[str, str]:
    # Our own from the sources: run from a checkout it need not be installed.
    found = {"pptsn": __version__}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _ffmpeg() -> dict[str, str] | None:
    try:
        av = importlib.import_module("av")
    except ImportError:
        return None
    return {name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())}


def temperatures_c(root: Path = Path("/")) -> dict[str, float]:
    """Return the temperature of each thermal zone that tells one, in degrees Celsius."""
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(zone / "temp")
        if value is not None:
            found[f"{zone.name.removeprefix('thermal_zone')} {_text(zone / 'type')}"] = value / 1000
    return found


def _clocks_mhz(root: Path) -> dict[str, float]:
    """Return the present clock of each CPU core and of each device that scales its own."""
    cores = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"))
    devices = sorted((root / "sys/class/devfreq").glob("*"))
    clocks = {core.name: (_number(core / "cpufreq/scaling_cur_freq"), 1e3) for core in cores}
    clocks |= {device.name: (_number(device / "cur_freq"), 1e6) for device in devices}
    return {name: clock / per_mhz for name, (clock, per_mhz) in clocks.items() if clock is not None}


def _gpus() -> list[dict[str, str]]:
    lines = _output_lines("nvidia-smi", f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader")
    return [dict(zip(_GPU_FIELDS, line.split(", "), strict=False)) for line in lines or ()]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0 \n") or None
    except OSError:  # not there, or a sensor that is switched off
        return None


def _field(path: Path, pattern: str) -> str | None:
    """Return the group of the first line of the file that begins with `pattern`."""
    match = re.search(f"^{pattern}", _text(path) or "", re.MULTILINE)
    return match[1] if match else None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None


def _git(*arguments: str) -> list[str] | None:
    """Return the lines that git says of this checkout, or None where this is none or git fails."""
    if not (_CHECKOUT / ".git").exists():
        return None
    return _output_lines("git", "--no-optional-locks", "-C", str(_CHECKOUT), *arguments)


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
