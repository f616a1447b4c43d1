"""Checkpoints: telling what a `.pdparams` file is, loading it with a full account, writing one."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import atomic_file
from pptsn.training.checkpoint.pickles import NAME_TABLE, Array, read_pickle
from pptsn.training.downloads.store import found_weights

BACKBONE = "backbone."
CLASSIFIER, CLASSIFIER_BIAS = "head.fc.weight", "head.fc.bias"

_LISTED = 4


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The content of a `.pdparams` file, told by its names and shapes.

    architecture, depth: of the network, see `pptsn.training.network.architecture`.
    kind: "full" (backbone and classifier) or "backbone" (names without `backbone.`, as ResNet*_vd files have).
    classes: the number of classes of a full checkpoint, None for a backbone.
    arrays: float32, under the names of a full checkpoint.
    left_out: names in a backbone file that do not belong to the backbone: its own classifier.
    labels: class names, of a checkpoint that brings them with it; a file does not.
    """

    path: Path
    kind: str
    architecture: str
    depth: int
    classes: int | None
    arrays: Mapping[str, Array]
    left_out: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What `apply_checkpoint` did: the kind of checkpoint, the number of entries loaded, the names left out."""

    kind: str
    loaded: int
    left_out: tuple[str, ...]


def read_checkpoint(
    path: str | Path, *, architecture: str | None = None, depth: int | None = None, classes: int | None = None
) -> Checkpoint:
    """Read a `.pdparams` file and tell what it is.

    path: where there is no such file, the name of weights that `pptsn weights fetch` has fetched.
    architecture, depth, classes: what is expected, where the caller knows; a checkpoint of another is refused.
    Raises InputError where there is no such file; ModelError where it is damaged, no PP-TSN, holds values that
    are not finite numbers, or is not what was expected.
    """
    path = found_weights(Path(path))
    arrays = {name: _as_float32(name, array, path) for name, array in read_pickle(path).items()}
    checkpoint = inspect_checkpoint(arrays, path=path)
    if architecture not in (None, checkpoint.architecture):
        found = checkpoint.architecture
        raise ModelError(path, f"is {found}, expected {architecture}", f"set model.architecture={found}")
    if depth is not None and checkpoint.depth != depth:
        remedy = f"choose other weights, or depth {checkpoint.depth} (model.depth; --depth in export)"
        raise ModelError(path, f"has depth {checkpoint.depth}, expected {depth}", remedy)
    if classes is not None and checkpoint.classes not in (None, classes):
        cause = f"has {checkpoint.classes} classes, expected {classes}"
        raise ModelError(
            path, cause, f"choose other weights, or a recipe or labels of {checkpoint.classes} classes"
        )
    return checkpoint


def inspect_checkpoint(arrays: Mapping[str, Array], *, path: str | Path) -> Checkpoint:
    """Tell kind, depth and number of classes of `arrays` by their names and shapes; `path` names them in errors.

    Raises ModelError for anything that is no PP-TSN or ResNet-vd backbone.
    """
    from pptsn.training.network.architectures import recognise  # which needs Paddle

    path = Path(path)
    if any(name.startswith(BACKBONE) for name in arrays):
        classifier = arrays.get(CLASSIFIER)
        if classifier is None or classifier.ndim != 2:
            raise ModelError(path, f"has a backbone, but no matrix {CLASSIFIER}", "use a complete checkpoint")
        found, depth = recognise((name.removeprefix(BACKBONE) for name in arrays), path)
        classes = int(classifier.shape[1])
        return Checkpoint(
            path=path, kind="full", architecture=found.name, depth=depth, classes=classes, arrays=dict(arrays)
        )
    found, depth = recognise(arrays, path)
    belonging = {f"{BACKBONE}{name}": a for name, a in arrays.items() if name.startswith(found.backbone_parts)}
    left_out = tuple(name for name in arrays if f"{BACKBONE}{name}" not in belonging)
    return Checkpoint(
        path=path,
        kind="backbone",
        architecture=found.name,
        depth=depth,
        classes=None,
        arrays=belonging,
        left_out=left_out,
    )


def require_full(checkpoint: Checkpoint) -> Checkpoint:
    """Return `checkpoint`; raises ModelError for a backbone, which has no classifier."""
    if checkpoint.classes is None:
        cause = "is a backbone without a classifier, expected a full checkpoint"
        raise ModelError(checkpoint.path, cause, "train it first")
    return checkpoint


def backbone_of(checkpoint: Checkpoint) -> Checkpoint:
    """Return `checkpoint` without its classifier, whose names are added to what is left out."""
    backbone = {name: array for name, array in checkpoint.arrays.items() if name.startswith(BACKBONE)}
    left_out = checkpoint.left_out + tuple(name for name in checkpoint.arrays if name not in backbone)
    return dataclasses.replace(checkpoint, kind="backbone", classes=None, arrays=backbone, left_out=left_out)


def apply_checkpoint(model: Any, checkpoint: Checkpoint) -> LoadReport:
    """Copy `checkpoint` into `model`.

    Raises ModelError that lists missing, unexpected and mis-shaped entries, before anything is copied.
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if checkpoint.kind == "backbone":
        expected = {name: shape for name, shape in expected.items() if name.startswith(BACKBONE)}
    _check_entries(checkpoint, expected)
    entries = model.state_dict()
    for name in expected:
        entries[name].set_value(checkpoint.arrays[name])
    return LoadReport(kind=checkpoint.kind, loaded=len(expected), left_out=checkpoint.left_out)


def state_of(model: Any) -> dict[str, Array]:
    """Return copies of all parameters and statistics of a Paddle layer, float32, by published name.

    Of a layer in 16 bits they are rounded: see `RecipeOptimizer.masters`.
    """
    return {name: np.array(value.astype("float32").numpy()) for name, value in model.state_dict().items()}


def save_weights(state: Mapping[str, Array], path: str | Path) -> None:
    """Write `state` to the `.pdparams` file `path`, atomically, as published files are: `paddle.load` reads it."""
    content = {name: np.ascontiguousarray(array) for name, array in state.items()}
    content_with_table: dict[str, object] = {**content, NAME_TABLE: {name: name for name in content}}
    with atomic_file(path) as temporary, open(temporary, "wb") as stream:
        pickle.dump(content_with_table, stream, protocol=4)


def weights_digest(state: Mapping[str, Array]) -> str:
    """Return the SHA-256, in hexadecimal, over names (sorted), types, shapes and bytes of `state`."""
    digest = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _as_float32(name: str, array: Array, path: Path) -> Array:
    if array.dtype.kind != "f":
        cause = f"its entry {name} is of type {array.dtype}, expected floating point"
        raise ModelError(path, cause, "use the checkpoint that training wrote, before any quantisation")
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise ModelError(path, f"its entry {name} holds values that are not finite", "use an earlier checkpoint")
    return array


def _check_entries(checkpoint: Checkpoint, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelError unless `checkpoint` holds exactly the entries `expected`, {name: shape}."""
    arrays = checkpoint.arrays
    missing = [name for name in expected if name not in arrays]
    unexpected = [name for name in arrays if name not in expected]
    misshaped = [
        f"{name} {arrays[name].shape} instead of {shape}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "mis-shaped": misshaped}
    if any(problems.values()):
        cause = ", ".join(
            f"{len(names)} {kind} ({_shortened(names)})" for kind, names in problems.items() if names
        )
        raise ModelError(
            checkpoint.path, f"does not fit PP-TSN of this depth: {cause}", "use a complete checkpoint"
        )


def _shortened(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
