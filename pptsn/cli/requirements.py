"""What a command needs beside the runtime, told before it starts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pptsn.runtime.base.errors import MissingDependencyError, install_command


def require(package: str, purpose: str, *, extra: str) -> None:
    """Raise MissingDependencyError, with the command that installs `extra`, where `package` cannot be imported."""
    try:
        found = find_spec(package) is not None
    except (ImportError, ValueError):  # a stand-in without a spec, or a part of a package that is missing
        found = False
    if not found:
        raise MissingDependencyError(package, f"{purpose} needs it", f"run: {install_command(extra)}")


def require_runner(*models: object) -> None:
    """Raise MissingDependencyError where all of `models` are ONNX files, and ONNX Runtime is missing."""
    if all(Path(str(model)).suffix.lower() == ".onnx" for model in models):
        require("onnxruntime", "running an .onnx file", extra="cpu")
