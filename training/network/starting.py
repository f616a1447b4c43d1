"""Beginning a training with the weights of another: what they know of classes, and what of them is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import read_small
from pptsn.runtime.model.spec import MOST_SPEC_BYTES, ModelSpec
from pptsn.training.network.weights import (
    Checkpoint,
    apply_checkpoint,
    backbone_of,
    read_checkpoint,
    weights_digest,
)


def sidecar_of(weights: Path) -> Path:
    """Return where the spec of `NAME.pdparams` lies: `NAME.spec.json` beside it."""
    return weights.with_suffix(".spec.json")


def spec_beside(checkpoint: Checkpoint) -> ModelSpec | None:
    """Return the spec that lies beside the file of `checkpoint`, or None where there is none.

    Raises ModelError where it cannot be read, or describes other weights.
    """
    path = sidecar_of(checkpoint.path)
    if not path.exists():
        return None
    try:
        text = read_small(path, MOST_SPEC_BYTES)
    except OSError as error:
        cause = f"cannot be read ({error.strerror})"
        raise ModelError(path, cause, "make it readable, or remove it and pass the options") from error
    spec = ModelSpec.from_json(text, source=path)
    if spec.weights_digest != weights_digest(checkpoint.arrays):
        cause = f"describes other weights than {checkpoint.path.name}"
        raise ModelError(path, cause, "fetch both files again, or remove it and pass the options")
    return spec


def start_from(model: Any, path: str | Path, *, labels: tuple[str, ...]) -> str:
    """Load a `.pdparams` file into `model`, as `build_network` made it, and return what was done, in a line.

    The classifier of a full checkpoint is kept where it is of as many classes and, as far as the spec beside the
    file tells their names, of the same ones in the same order; otherwise that of `model` stays, which is new.
    labels: the names of the classes that `model` is to learn.
    Raises what `read_checkpoint`, `spec_beside` and `apply_checkpoint` raise.
    """
    checkpoint = read_checkpoint(path, architecture=model.architecture, depth=model.depth)
    spec = spec_beside(checkpoint)
    keeps = checkpoint.classes == len(labels) and (spec is None or spec.labels == labels)
    report = apply_checkpoint(model, checkpoint if keeps else backbone_of(checkpoint))
    text = f"{path}: loaded {report.loaded} entries ({report.kind})"
    if checkpoint.classes is None:
        return f"{text}, left out {', '.join(report.left_out)}" if report.left_out else text
    if not keeps:
        others = "other classes" if checkpoint.classes == len(labels) else f"{checkpoint.classes} classes"
        return f"{text}; its classifier, of {others}, is replaced by a new one of {len(labels)}"
    if spec is None:
        text += f"; its classifier is kept: it has {len(labels)} classes, too, though no spec beside it names them"
    return text
