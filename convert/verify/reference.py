"""Proving a model against the logits that Paddle gave for the crops in an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.convert.verify.agreement import agreement
from pptsn.convert.verify.limits import Gates, Limits
from pptsn.convert.verify.logits import infer_in_batches
from pptsn.convert.verify.report import Report
from pptsn.runtime.base.errors import ModelError, reason_of
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.export_folder import REFERENCE_NAME


@dataclass(frozen=True)
class StoredReference:
    """What an export has to be compared with.

    crops: (N, S, S, 3) uint8 RGB.  plain_logits, mirrored_logits: (N, C), Paddle's for them and for their mirror
    images.
    """

    crops: Frame
    plain_logits: Logits
    mirrored_logits: Logits

    def logits(self, *, mirror: bool) -> Logits:
        """Return the logits (N, C) of a graph: with `mirror`, the mean over each crop and its mirror image."""
        mean: Logits = (self.plain_logits + self.mirrored_logits) / np.float32(2)
        return mean if mirror else self.plain_logits


def verify_reference(
    engine: Engine,
    export: str | Path,
    *,
    name: str | Path,
    tolerance: float | None = None,
    limits: Limits | None = None,
) -> Report:
    """Compare `engine` with the logits that Paddle gave for the crops in the reference of `export`.

    tolerance: the largest absolute difference that passes.  limits: all that is to be kept to, in its place.
    Without either, the limits are those of the engine's precision.
    Raises ModelError for a missing, damaged or foreign reference.
    """
    limits = limits or Gates(tolerance=tolerance).limits([engine.spec.precision])
    stored = read_reference(export, engine)
    logits = stored.logits(mirror=engine.spec.mirror)
    return Report(str(name), str(export), limits, agreement(infer_in_batches(engine, stored.crops), logits))


def read_reference(export: str | Path, engine: Engine) -> StoredReference:
    """Return the reference of `export`; raises ModelError for one that is missing, damaged or not the engine's."""
    path = Path(export) / REFERENCE_NAME
    stored = _stored_arrays(path)
    size, classes = engine.spec.crop_size, engine.spec.classes
    if stored.crops.shape[1:] != (size, size, 3) or stored.plain_logits.shape[1:] != (classes,):
        raise ModelError(
            path,
            f"holds crops {stored.crops.shape} and logits {stored.plain_logits.shape}, "
            f"the model has {size} px crops and {classes} classes",
            "name the export that the model was made from",
        )
    return stored


def _stored_arrays(path: Path) -> StoredReference:
    """Return the crops, their logits and those of their mirror images, as many rows of each, one or more."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            crops, plain, mirrored = (stored[name] for name in ("crops", "logits", "mirrored_logits"))
    # The bytes decide which exception a damaged archive ends in, so any that reading can raise means damage.
    except Exception as error:
        cause = f"is no reference of an export ({reason_of(error)})"
        raise ModelError(path, cause, "export the model again") from error
    types = [str(array.dtype) for array in (crops, plain, mirrored)]
    shapes = [array.shape for array in (crops, plain, mirrored)]
    ranks = [len(shape) for shape in shapes]
    rows = {shape[:1] for shape in shapes}
    if (
        types != ["uint8", "float32", "float32"]
        or ranks != [4, 2, 2]
        or len(rows) > 1
        or not len(crops)
        or plain.shape != mirrored.shape
    ):
        found = ", ".join(f"{kind} {shape}" for kind, shape in zip(types, shapes, strict=True))
        raise ModelError(
            path,
            f"holds crops, logits and mirrored logits of {found}, "
            "expected uint8 (N, S, S, 3) and twice float32 (N, C), N at least 1",
            "export the model again",
        )
    return StoredReference(crops, plain, mirrored)
