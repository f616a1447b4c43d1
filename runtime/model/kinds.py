"""What a file or folder of this toolkit is, and the way from there to what was asked for.

A command that wants one kind and is given another says so, rather than what its reader stumbles over.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.export_folder import PROGRAM_NAMES, SPEC_NAME
from pptsn.runtime.model.manifest import PLAN_SUFFIX

CHECKPOINT = "a checkpoint of Paddle's"
RUN = "the folder of a training run"
EXPORT = "an export folder"
PART = "a part of an exported network"
MODEL = "an ONNX model"
PLAN = "a TensorRT plan"
ARCHIVE = "a ZIP archive, as PyTorch's checkpoints are"

# By the first bytes: of a pickle whose protocol has them, of a plan, of an ONNX file (its format's version).
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_PLAN_STARTS = (b"ftrt",)
_ARCHIVE_STARTS = (b"PK\3\4",)
_MODEL_STARTS = tuple(bytes((0x08, version)) for version in range(3, 32))
# By name, where the bytes do not tell.
_SUFFIXES = {
    ".pdparams": CHECKPOINT, ".pdopt": CHECKPOINT, ".pdiparams": PART, ".pdmodel": PART,
    ".onnx": MODEL, PLAN_SUFFIX: PLAN, ".plan": PLAN, ".trt": PLAN,
}  # fmt: skip
# What `pptsn train` leaves in its folder.
_BEST_NAME = "best.pdparams"


def kind_of(path: Path) -> str | None:
    """Return what lies at `path`: CHECKPOINT, RUN, EXPORT, PART, MODEL, PLAN or ARCHIVE; else None."""
    if path.is_dir():
        if (path / _BEST_NAME).exists():
            return RUN
        return EXPORT if any((path / name).exists() for name in (SPEC_NAME, *PROGRAM_NAMES)) else None
    if not path.is_file():
        return None
    try:
        with open(path, "rb") as stream:
            first = stream.read(4)
    except OSError:  # whoever reads it will say why
        return None
    starts = {CHECKPOINT: _PICKLES, MODEL: _MODEL_STARTS, PLAN: _PLAN_STARTS, ARCHIVE: _ARCHIVE_STARTS}
    told = next((kind for kind, start in starts.items() if first.startswith(start)), None)
    return told or _SUFFIXES.get(path.suffix.lower())


def refuse_others(path: Path, expected: str) -> None:
    """Raise ModelError where `path` is of another kind than `expected`: what it is, and what to do."""
    found = kind_of(path)
    if found is not None and found != expected:
        raise ModelError(path, f"is {found}, expected {expected}", _way(path, found, expected))


def _way(path: Path, found: str, expected: str) -> str:
    """Return how to come to what is expected."""
    name = shlex.quote(str(path))
    if found == ARCHIVE:
        return "unpack it where it holds what was asked for; weights of PyTorch's are not read"
    if found == RUN:
        best = path / _BEST_NAME
        return f"give {best}" if expected == CHECKPOINT else _way(best, CHECKPOINT, expected)
    if expected == CHECKPOINT:
        return "give the .pdparams file that it was made of"
    if found == PART and expected == EXPORT:
        return f"give its folder, {path.parent}"
    if expected == EXPORT:
        make = f"pptsn export --weights {name if found == CHECKPOINT else 'FILE.pdparams'} -o EXPORT"
        return f"make one by: {make}"
    if expected == PLAN:
        return f"call it .onnx, or build one by: pptsn convert engine {name} -o NAME{PLAN_SUFFIX}"
    if found == PLAN:
        return "give the .onnx file that it was built from, or call it .engine to run it"
    if found == CHECKPOINT:
        return f"make one by: pptsn export --weights {name} -o EXPORT, then pptsn convert onnx EXPORT -o M.onnx"
    folder = shlex.quote(str(path.parent)) if found == PART else name
    return f"make one by: pptsn convert onnx {folder} -o M.onnx"
