"""The toy package, installed; and the program beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models import write_tiny_model

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


def shown(text: str) -> str:
    """Return what a help page says, without the boxes that it is drawn in."""
    return " ".join(text.replace("│", " ").split())


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the toy package is installed into."""
    target, source = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "toy_plugin"):  # what is built is left beside it
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
        copy(HERE / name, source / name)
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    pip = subprocess.run(
        [*command, "--no-build-isolation", "--target", target, source], capture_output=True, text=True, check=False
    )
    assert pip.returncode == 0, pip.stderr
    return target


@pytest.fixture
def pptsn(installed: Path) -> Run:
    """Return a function that runs the program where the toy package, and what `also` holds, are installed."""

    def run(*arguments: object, also: Path | None = None) -> subprocess.CompletedProcess[str]:
        paths = [str(installed), str(ROOT), *([str(also)] if also else [])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200", "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-m", "pptsn", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that names the colour of a picture."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with a package that adds kinds called `broken`, whose module fails to import."""
    facts = tmp_path / "site" / "broken_plugin-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    groups = ("sources", "sinks", "backends")
    entries = "\n".join(f"[pptsn.{group}]\nbroken = broken_plugin:Kind" for group in groups)
    (facts / "entry_points.txt").write_text(entries)
    (facts.parent / "broken_plugin.py").write_text("raise RuntimeError('was made for another version')\n")
    return facts.parent


@pytest.fixture
def lazy(tmp_path: Path) -> Path:
    """A folder with a package whose backend and sink `lazy` miss their library when they are used.

    The backend says of packages that we need too what we do not say.
    """
    facts = tmp_path / "lazy_site" / "lazy_plugin-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lazy-plugin\nVersion: 1.0\n")
    entries = "[pptsn.backends]\nlazy = lazy_plugin:Runs\n[pptsn.sinks]\nlazy = lazy_plugin:Writes\n"
    (facts / "entry_points.txt").write_text(entries)
    (facts.parent / "lazy_plugin.py").write_text(LAZY)
    return facts.parent


LAZY = """
from pptsn.runtime.base.plugins import Requirement
from toy_plugin.backend import ToyBackend
from toy_plugin.sink import ToySink

class Runs(ToyBackend):
    requirements = (
        Requirement("numpy", "counting bricks", "pip install bricks"),
        Requirement("onnxruntime", "building bricks", "pip install bricks"),
    )

    def open(self, path, choices, options):
        import no_such_library

class Writes(ToySink):
    def make(self, address, options, *, top):
        import no_such_library
"""
