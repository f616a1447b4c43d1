"""The files of an export folder: what training writes there and conversion reads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import read_small, sha256_of, write_text
from pptsn.runtime.model.spec import MOST_SPEC_BYTES, ModelSpec

# Paddle 3 writes model.json where Paddle 2 wrote model.pdmodel.
PROGRAM_NAMES = ("model.json", "model.pdmodel")
PARAMETERS_NAME = "model.pdiparams"
SPEC_NAME = "spec.json"
REFERENCE_NAME = "reference.npz"
# The SHA-256 of the program and of the parameters, by their names.  Exports of older releases have none.
DIGESTS_NAME = "digests.json"
_MOST_DIGESTS_BYTES = 1 << 12


def export_files(export: Path) -> tuple[Path, Path]:
    """Return the program and the parameters of an export folder.

    Raises ModelError where one is missing, or is not what was exported.
    """
    program, parameters = _network_files(export)
    digests = _read_digests(export)
    if digests is not None:
        for path in (program, parameters):
            if digests.get(path.name) != sha256_of(path):
                cause = f"is not what was exported: its SHA-256 is not the one in {DIGESTS_NAME}"
                raise ModelError(path, cause, "export the model again by: pptsn export")
    return program, parameters


def write_digests(export: Path) -> None:
    """Write down what the network of a new export folder is, for `export_files` to compare with."""
    digests = {path.name: sha256_of(path) for path in _network_files(export)}
    write_text(export / DIGESTS_NAME, msgspec.json.format(msgspec.json.encode(digests)).decode() + "\n")


def _network_files(export: Path) -> tuple[Path, Path]:
    program = next((export / name for name in PROGRAM_NAMES if (export / name).is_file()), None)
    parameters = export / PARAMETERS_NAME
    if program is None or not parameters.is_file():
        missing = PARAMETERS_NAME if program else PROGRAM_NAMES[0]
        raise ModelError(export, f"is no export folder: it has no {missing}", "make one by: pptsn export")
    return program, parameters


def _read_digests(export: Path) -> dict[str, str] | None:
    """Return the digests by the files' names; None for an export of an older release."""
    path = export / DIGESTS_NAME
    try:
        return msgspec.json.decode(read_small(path, _MOST_DIGESTS_BYTES), type=dict[str, str])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(path, f"cannot be read ({error})", "export the model again by: pptsn export") from error


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
