"""What this machine has: packages, engines, devices; and what to install for the rest."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import PADDLE_GPU_INSTALL, PptsnError, install_command, one_line
from pptsn.runtime.base.plugins import FAILURES, Registry, Requirement
from pptsn.runtime.engines.backend import AnyBackend, Trial
from pptsn.runtime.engines.registry import BACKENDS
from pptsn.runtime.jetpack import CHIPS, chip, jetpack_of, unfit_tensorrt
from pptsn.runtime.stream.sinks.registry import SINKS
from pptsn.runtime.stream.sources.registry import SOURCES

if TYPE_CHECKING:
    from rich.console import Console

_REGISTRIES: dict[str, Registry[Any]] = {"backend": BACKENDS, "source": SOURCES, "sink": SINKS}

_ALWAYS = {
    "numpy": "everything",
    "av": "decoding",
    "opencv-python-headless": "resizing",
    "msgspec": "reading models and reports",
    "pillow": "labels of annotated videos",
}


def _own_requirements() -> Iterator[Requirement]:
    """Yield what no kind stands for: the runtime's own packages, and those of other commands."""
    for name, purpose in _ALWAYS.items():
        yield Requirement(name, purpose, "pip install pptsn")
    fonts = ("fc-match", "labels of annotated videos in any script", "apt-get install fontconfig")
    yield Requirement(*fonts, is_program=True)
    yield Requirement("uvicorn", "the web page of streams", install_command("web"))
    yield Requirement("paddlepaddle", "training and export", install_command("train"))
    yield Requirement("paddlepaddle-gpu", "training on an NVIDIA GPU", PADDLE_GPU_INSTALL)
    yield Requirement("paddle2onnx", "converting to ONNX", install_command("convert"))
    onnx_install = f"{install_command('convert')}; on a device {install_command('tensorrt')}"
    yield Requirement("onnx", "converting to ONNX, building plans", onnx_install)
    yield Requirement("mlcommons-loadgen", "benchmarks by MLPerf's LoadGen", install_command("bench"))
    yield Requirement("matplotlib", "plots of training and of benchmarks", install_command("bench"))
    yield Requirement("jinja2", "benchmark reports as pages", install_command("bench"))
    yield Requirement("pyarrow", "answers as .parquet files", install_command("parquet"))
    yield Requirement("tensorboardX", "event files of trainings", install_command("tensorboard"))


def _requirements() -> list[Requirement]:
    """Return what anything here needs, each once, in our own words where a plugin needs it too."""
    registries = _REGISTRIES.values()
    ours = (registry.instance(name) for registry in registries for name in registry.own_names)
    plugins = (registry.instance(name) for registry in registries for name in registry.plugins())
    of_kinds = (requirement for kind in (*ours, *plugins) for requirement in kind.requirements)
    found: dict[str, Requirement] = {}
    for requirement in (*_own_requirements(), *of_kinds):
        found.setdefault(requirement.name, requirement)
    return list(found.values())


def examine() -> dict[str, Any]:
    """Return what is installed and what works, as plain JSON values.

    machine: system, Python and cores, a Jetson's release, JetPack and board; packages: name, version (None if
    missing), purpose, install command;
    engines: name, device, whether it ran a model just now, and what is wrong otherwise; programs: name, path (None
    if missing), purpose, install command; plugins: what other packages add, its name and the package; cameras:
    those that this user may open; notes: conflicts, and plugins that cannot be used.
    """
    needed = _requirements()
    return {
        "machine": _machine(),
        "packages": [_listed(each, "version") for each in needed if not each.is_program],
        "engines": [finding for backend in BACKENDS.usable_instances() for finding in _try_backend(backend)],
        "programs": [_listed(each, "path") for each in needed if each.is_program],
        "plugins": [
            {"adds": sort, "name": name, "package": package}
            for sort, registry in _REGISTRIES.items()
            for name, package in registry.plugins().items()
        ],
        "cameras": sorted(str(path) for path in Path("/dev").glob("video*") if os.access(path, os.R_OK | os.W_OK)),
        "notes": [*_conflicts(), *_unfit(), *_plugin_problems()],
    }


def _machine() -> dict[str, Any]:
    driver = Path("/proc/driver/nvidia/version")
    jetson = _first_line(Path("/etc/nv_tegra_release"))
    board, jetpack = CHIPS.get(chip() or ""), jetpack_of(jetson)
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": available_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": sys.version.split()[0],
        "nvidia_driver": _first_line(driver),
        "jetson": jetson,
        "jetpack": None if jetpack is None else str(jetpack),
        "board": None if board is None else "{}, compute capability {}".format(*board),
    }


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").splitlines()[0]
    except (OSError, IndexError):
        return None


def _listed(requirement: Requirement, found_as: str) -> dict[str, str | None]:
    return {
        "name": requirement.name,
        found_as: requirement.found(),
        "purpose": requirement.purpose,
        "install": requirement.install,
    }


def _try_backend(backend: AnyBackend) -> list[dict[str, Any]]:
    """Try an engine on each of its devices: one that is only installed may still not work."""
    trials: tuple[Trial, ...] = ()

    def list_trials() -> None:
        nonlocal trials
        trials = tuple(backend.trials())

    problem = _problem_of(list_trials)
    if problem is not None:
        return [_finding(backend.name, "-", problem)]
    return [_finding(backend.name, str(trial.device), _problem_of(trial.run)) for trial in trials]


def _finding(name: str, device: str, problem: str | None) -> dict[str, Any]:
    return {"name": name, "device": device, "works": problem is None, "problem": problem}


def _problem_of(run: Callable[[], None]) -> str | None:
    """Return what `run` raises as one line, or None."""
    try:
        run()
    except PptsnError as error:
        return str(error)
    except FAILURES as error:  # whatever a broken installation raises is the finding
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


def _conflicts() -> Iterator[str]:
    for name in ("onnxruntime", "paddlepaddle"):
        if all(Requirement(each, "", "").found() for each in (name, f"{name}-gpu")):
            yield (
                f"{name} and {name}-gpu are both installed, into the same folder: uninstall both, then install one"
            )


def _unfit() -> Iterator[str]:
    problem = unfit_tensorrt(chip(), Requirement("tensorrt", "", "").found())
    if problem is not None:
        yield problem


def _plugin_problems() -> list[str]:
    """Return a line for each plugin that cannot be used, once, whatever it was to add."""
    return list(dict.fromkeys(line for registry in _REGISTRIES.values() for line in registry.problems()))


def _cell(text: str) -> str:
    """Return a text from elsewhere for a table: as it stands, and on one line."""
    from rich.markup import escape

    return escape(one_line(text))


def render(findings: dict[str, Any], console: Console) -> None:
    """Print what `examine` found, for people."""
    from rich.markup import escape
    from rich.table import Table

    machine = findings["machine"]
    console.print(
        f"{machine['system']}, {machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}"
    )
    for name in ("nvidia_driver", "jetson", "jetpack", "board"):
        if machine[name]:
            console.print(machine[name])
    engines = Table("engine", "device", "works", title="Engines", title_justify="left")
    for engine in findings["engines"]:
        engines.add_row(
            _cell(engine["name"]), _cell(engine["device"]), "[green]yes[/]" if engine["works"] else "[red]no[/]"
        )
    packages = Table("package", "version", "for", title="Packages", title_justify="left")
    for package in findings["packages"]:
        packages.add_row(_cell(package["name"]), _cell(package["version"] or "-"), _cell(package["purpose"]))
    console.print(engines)
    # In lines of their own rather than in cells, so that a command can be copied in one piece.
    broken = [engine for engine in findings["engines"] if not engine["works"]]
    _print_lines(console, [f"{engine['name']} on {engine['device']}: {engine['problem']}" for engine in broken])
    console.print(packages)
    missing = [package for package in findings["packages"] if not package["version"]]
    missing += [program for program in findings["programs"] if not program["path"]]
    _print_lines(console, [f"{each['name']}: {each['install']}" for each in missing])
    added = [f"{each['adds']} {each['name']} ({each['package']})" for each in findings["plugins"]]
    if added:
        console.print(f"Plugins: {', '.join(added)}", markup=False, soft_wrap=True)
    console.print(f"Cameras: {', '.join(findings['cameras']) or 'none that this user may open'}", markup=False)
    for note in findings["notes"]:
        console.print("[yellow]note:[/]", escape(note), soft_wrap=True)


def _print_lines(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(f"- {line}", markup=False, soft_wrap=True)
