"""What this machine has: packages, engines, devices; and what to install for the rest."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import PptsnError, install_command
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.providers import JETSON_INSTALL, has_gpu_wheels
from pptsn.runtime.model.manifest import BUILDERS

if TYPE_CHECKING:
    from rich.console import Console

# An ONNX model of one Identity node, spelled out so that the doctor needs no other package to try an engine:
# ir_version 8; graph {node {x -> y, Identity}, name "g", input x float[1], output y float[1]}; opset 13.
_TINY_MODEL = bytes.fromhex(
    "080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179"
    "120a0a08080112040a02080142040a00100d"
)


@dataclass(frozen=True)
class _Package:
    distribution: str
    purpose: str
    install: str


_PADDLE_INDEX = "https://www.paddlepaddle.org.cn/packages/stable/cu126/"
# TensorRT's libraries are on NVIDIA's own index; on a Jetson they come with JetPack.
_TENSORRT_INSTALL = (
    "pip install tensorrt --extra-index-url https://pypi.nvidia.com; on a Jetson JetPack has it: "
    "make the virtual environment with --system-site-packages"
)
_PYCUDA_INSTALL = (
    f"{install_command('tensorrt')} (PyCUDA is compiled: it needs a C++ compiler and the CUDA toolkit's headers, "
    "with nvcc on the PATH)"
)


def _packages() -> tuple[_Package, ...]:
    onnxruntime_gpu = install_command("gpu") if has_gpu_wheels() else JETSON_INSTALL
    onnx = f"{install_command('convert')}; on a device {install_command('tensorrt')}"
    return (
        _Package("numpy", "everything", "pip install pptsn"),
        _Package("av", "decoding", "pip install pptsn"),
        _Package("opencv-python-headless", "resizing", "pip install pptsn"),
        _Package("onnxruntime", "classifying on a CPU", install_command("cpu")),
        _Package("onnxruntime-gpu", "classifying on an NVIDIA GPU", onnxruntime_gpu),
        _Package("tensorrt", "running and building TensorRT plans", _TENSORRT_INSTALL),
        _Package("tensorrt_rtx_cu13_bindings", "plans for RTX GPUs, built without one", install_command("rtx")),
        _Package("pycuda", "running plans", _PYCUDA_INSTALL),
        _Package("cuda-bindings", "CUDA graphs, optional", install_command("tensorrt")),
        _Package("uvicorn", "the web page of streams", install_command("web")),
        _Package("paho-mqtt", "streams to an MQTT broker", install_command("mqtt")),
        _Package("paddlepaddle", "training and export", install_command("train")),
        _Package(
            "paddlepaddle-gpu", "training on an NVIDIA GPU", f"pip install paddlepaddle-gpu -i {_PADDLE_INDEX}"
        ),
        _Package("paddle2onnx", "converting to ONNX", install_command("convert")),
        _Package("onnx", "converting to ONNX, building plans", onnx),
        _Package("mlcommons-loadgen", "benchmarks by MLPerf's LoadGen", install_command("bench")),
        _Package("matplotlib", "plots of training and of benchmarks", install_command("bench")),
        _Package("jinja2", "benchmark reports as pages", install_command("bench")),
    )


def examine() -> dict[str, Any]:
    """Return what is installed and what works, as plain JSON values.

    machine: system, Python and cores; packages: name, version (None if missing), purpose, install command;
    engines: name, device, whether it ran a model just now, and what is wrong otherwise; programs: name, path (None
    if missing), purpose, install command; cameras: those that this user may open; notes: conflicts.
    """
    return {
        "machine": _machine(),
        "packages": [_package(package) for package in _packages()],
        "engines": [
            _try("onnxruntime", Device("cpu"), _run_onnxruntime),
            _try("onnxruntime", Device("cuda"), _run_onnxruntime),
            _try("onnxruntime-tensorrt", Device("cuda"), _run_onnxruntime),
            *(_try(name, Device("cuda"), _start_tensorrt) for name in BUILDERS),
        ],
        "programs": [_gstreamer()],
        "cameras": sorted(str(path) for path in Path("/dev").glob("video*") if os.access(path, os.R_OK | os.W_OK)),
        "notes": _conflicts(),
    }


def _gstreamer() -> dict[str, str | None]:
    return {
        "name": "gst-launch-1.0",
        "path": shutil.which("gst-launch-1.0"),
        "purpose": "streams from gst:PIPELINE, a Jetson's CSI camera for one",
        "install": "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good",
    }


def _machine() -> dict[str, Any]:
    driver = Path("/proc/driver/nvidia/version")
    jetson = Path("/etc/nv_tegra_release")
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": sys.version.split()[0],
        "nvidia_driver": _first_line(driver),
        "jetson": _first_line(jetson),
    }


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").splitlines()[0]
    except (OSError, IndexError):
        return None


def _package(package: _Package) -> dict[str, str | None]:
    return {
        "name": package.distribution,
        "version": _version(package.distribution),
        "purpose": package.purpose,
        "install": package.install,
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _try(name: str, device: Device, attempt: Callable[[str, Device], None]) -> dict[str, Any]:
    """Try an engine on `device`: one that is only installed may still not work."""
    finding = {"name": name, "device": str(device), "works": False, "problem": None}
    try:
        attempt(name, device)
    except PptsnError as error:
        return {**finding, "problem": str(error)}
    except Exception as error:  # whatever a broken installation raises is the finding
        return {**finding, "problem": f"{type(error).__name__}: {error}"}
    return {**finding, "works": True}


def _run_onnxruntime(name: str, device: Device) -> None:
    """Run a model of one node on `device`."""
    import numpy as np

    from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
    from pptsn.runtime.engines.onnxruntime.providers import (
        TENSORRT,
        execution_providers,
        gpu_loading,
        require_provider,
        require_tensorrt,
    )

    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    providers = execution_providers(onnxruntime, device)
    wanted = None
    if name == "onnxruntime-tensorrt":
        require_tensorrt(onnxruntime, device)
        wanted = TENSORRT
        providers = [(TENSORRT, {"device_id": device.index}), *providers]
    with gpu_loading(onnxruntime, device) as output:
        session = onnxruntime.InferenceSession(_TINY_MODEL, options, providers=providers)
    require_provider(session, device, wanted=wanted, output=output.getvalue())
    session.run(None, {"x": np.zeros(1, np.float32)})


def _start_tensorrt(name: str, device: Device) -> None:
    """Start TensorRT's runtime and reserve a little page-locked memory on `device`."""
    from pptsn.runtime.engines.tensorrt.api import import_tensorrt
    from pptsn.runtime.engines.tensorrt.cuda import open_cuda

    library = import_tensorrt(name)
    cuda = open_cuda(device.index)
    with cuda.current():
        library.module.Runtime(library.logger())
        cuda.new_buffer((1,), "uint8").free()


def _conflicts() -> list[str]:
    notes = []
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        notes.append(
            "onnxruntime and onnxruntime-gpu are both installed, into the same folder: "
            "uninstall both, then install one"
        )
    if _version("paddlepaddle") and _version("paddlepaddle-gpu"):
        notes.append("paddlepaddle and paddlepaddle-gpu are both installed: uninstall both, then install one")
    return notes


def render(findings: dict[str, Any], console: Console) -> None:
    """Print what `examine` found, for people."""
    from rich.table import Table

    machine = findings["machine"]
    console.print(
        f"{machine['system']}, {machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}"
    )
    for name in ("nvidia_driver", "jetson"):
        if machine[name]:
            console.print(machine[name])
    engines = Table("engine", "device", "works", title="Engines", title_justify="left")
    for engine in findings["engines"]:
        engines.add_row(engine["name"], engine["device"], "[green]yes[/]" if engine["works"] else "[red]no[/]")
    packages = Table("package", "version", "for", title="Packages", title_justify="left")
    for package in findings["packages"]:
        packages.add_row(package["name"], package["version"] or "[yellow]-[/]", package["purpose"])
    console.print(engines)
    # In lines of their own rather than in cells, so that a command can be copied in one piece.
    broken = [engine for engine in findings["engines"] if not engine["works"]]
    _print_lines(console, [f"{engine['name']} on {engine['device']}: {engine['problem']}" for engine in broken])
    console.print(packages)
    missing = [package for package in findings["packages"] if not package["version"]]
    missing += [program for program in findings["programs"] if not program["path"]]
    _print_lines(console, [f"{each['name']}: {each['install']}" for each in missing])
    console.print(f"Cameras: {', '.join(findings['cameras']) or 'none that this user may open'}", markup=False)
    for note in findings["notes"]:
        console.print(f"[yellow]note:[/] {note}")


def _print_lines(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(f"- {line}", markup=False, soft_wrap=True)
