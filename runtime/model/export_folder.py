"""The files of an export folder: what training writes there and conversion reads."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import read_small
from pptsn.runtime.model.spec import MOST_SPEC_BYTES, ModelSpec

# Paddle 3 writes model.json where Paddle 2 wrote model.pdmodel.
PROGRAM_NAMES = ("model.json", "model.pdmodel")
PARAMETERS_NAME = "model.pdiparams"
SPEC_NAME = "spec.json"
REFERENCE_NAME = "reference.npz"


def export_files(export: Path) -> tuple[Path, Path]:
    """Return the program and the parameters of an export folder; raises ModelError where one is missing."""
    program = next((export / name for name in PROGRAM_NAMES if (export / name).is_file()), None)
    parameters = export / PARAMETERS_NAME
    if program is None or not parameters.is_file():
        missing = PARAMETERS_NAME if program else PROGRAM_NAMES[0]
        raise ModelError(export, f"is no export folder: it has no {missing}", "make one by: pptsn export")
    return program, parameters


def read_export_spec(export: Path) -> ModelSpec:
    """Return the spec of an export folder; raises ModelError where it has none."""
    try:
        text = read_small(export / SPEC_NAME, MOST_SPEC_BYTES)
    except OSError as error:
        raise ModelError(
            export,
            f"is no export folder: its {SPEC_NAME} cannot be read ({error.strerror})",
            "make one by: pptsn export",
        ) from error
    return ModelSpec.from_json(text, source=export / SPEC_NAME)
