"""Paddle's per-view network as ONNX, by Paddle2ONNX in a child process."""

from __future__ import annotations

import importlib.util
import os
import signal
import site
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pptsn.runtime.base.errors import MissingDependencyError, ModelError, install_command
from pptsn.runtime.base.foreign_files import WITHOUT_TELEMETRY
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.model.export_folder import PARAMETERS_NAME, export_files

if TYPE_CHECKING:
    import onnx

# The first opset with Q/DQ scales in FP16, so that all precisions share one; TensorRT 10.3 reads it.
OPSET = 19

# ResNet-200 takes seconds; a conversion that takes this long hangs.
_TIMEOUT_S = 600
_CHILD = Path(__file__).resolve().with_name("paddle2onnx_child.py")


def network_from_export(export: Path) -> onnx.ModelProto:
    """Return the per-view network, (B, 3, S, S) float32 -> (B, C) float32, of the export folder `export`.

    Raises ModelError for an incomplete export and where Paddle2ONNX fails or dies, MissingDependencyError
    where it is not installed.
    """
    require_paddle2onnx()
    import onnx

    program, parameters = export_files(export)
    with temporary_folder() as folder:
        output = folder / "network.onnx"
        _run_child(program, parameters, output)
        network = onnx.load(str(output), load_external_data=False)
    _check_complete(network, program)
    return network


def _check_complete(network: onnx.ModelProto, program: Path) -> None:
    """Refuse a graph that lacks weights: Paddle2ONNX writes one without a word where a parameter file is cut."""
    graph = network.graph
    known = {value.name for value in (*graph.input, *graph.initializer)}
    known.update(name for node in graph.node for name in node.output)
    lacking = sorted({name for node in graph.node for name in node.input if name} - known)
    if lacking:
        raise ModelError(
            program.with_name(PARAMETERS_NAME),
            f"Paddle2ONNX found no values in it for {len(lacking)} tensors ({lacking[0]}, ...)",
            "it is damaged or incomplete: export the model again by: pptsn export",
        )


def require_paddle2onnx() -> None:
    """Raise MissingDependencyError, with the command that installs it, where a converter's package is missing."""
    missing = [name for name in ("onnx", "paddle", "paddle2onnx") if not _is_installed(name)]
    if missing:
        raise MissingDependencyError(
            ", ".join(missing), "converting Paddle models to ONNX needs it", f"run: {install_command('convert')}"
        )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # something without a spec stands in for it
        return False


def _run_child(program: Path, parameters: Path, output: Path) -> None:
    # By its path: `-m` would look for it in the user's working folder first.
    command = [sys.executable, _CHILD, program, parameters, output, OPSET, os.getpid()]
    # Polygraphy, which Paddle2ONNX imports, installs packages at run time unless told not to; Paddle writes into
    # the home, where the user's packages are found still.
    places = {"TMPDIR": str(output.parent), "HOME": str(output.parent)}
    environment = {**WITHOUT_TELEMETRY, **os.environ, **places, "POLYGRAPHY_AUTOINSTALL_DEPS": "0"}
    environment.setdefault("PYTHONUSERBASE", site.getuserbase())
    try:
        child = subprocess.run(
            [str(part) for part in command],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(program, f"Paddle2ONNX gave no result within {_TIMEOUT_S} s") from error
    if child.returncode != 0 or not output.is_file():
        raise ModelError(program, _cause_of_death(child), "export the model again by: pptsn export")


def _cause_of_death(child: subprocess.CompletedProcess[str]) -> str:
    """Say how the child ended, with the last line it wrote that looks like an error."""
    if child.returncode < 0:
        ending = f"was ended by {signal.Signals(-child.returncode).name}"
    else:
        ending = f"failed with status {child.returncode}"
    lines = [line.strip() for line in (child.stdout + "\n" + child.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if "rror" in line or "terminate" in line or "not support" in line]
    last = (telling or lines or ["it wrote nothing"])[-1]
    return f"Paddle2ONNX {ending}: {last[:300]}"
