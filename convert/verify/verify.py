"""Proving a model: against the logits that Paddle gave, and against another model on real clips."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.convert.verify.agreement import Agreement, agreement
from pptsn.convert.verify.chain import verify_chain
from pptsn.convert.verify.limits import FP32_TOLERANCE, Gates, Limits
from pptsn.convert.verify.logits import Runs, infer_in_batches
from pptsn.runtime.base.errors import ModelError, VerificationError
from pptsn.runtime.base.files import write_text
from pptsn.runtime.classify.clips import Source
from pptsn.runtime.classify.results import printable
from pptsn.runtime.engines import Engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.export_folder import REFERENCE_NAME

__all__ = ["FP32_TOLERANCE", "Report", "report_path", "verify_models", "verify_reference"]


@dataclass(frozen=True)
class Report:
    """What a verification found.

    model, against: what was compared; limits: what the model has to keep to.
    figures: the agreement; drop: points of top-1 lost, None where the right answers are not known.
    skipped: clips that could not be read, with the reason.
    named: how many clips there were to choose from; None where it was not clips that were compared.
    """

    model: str
    against: str
    limits: Limits
    figures: Agreement
    drop: float | None = None
    skipped: tuple[str, ...] = ()
    named: int | None = None

    @property
    def passed(self) -> bool:
        """Whether the model keeps to its limits."""
        return not self.limits.violations(self.figures, self.drop)

    def to_dict(self) -> dict[str, Any]:
        """Return the report's JSON object."""
        return {
            "model": printable(self.model),
            "against": printable(self.against),
            "tolerance": self.limits.max_abs,
            "limits": dataclasses.asdict(self.limits),
            "passed": self.passed,
            **self.figures.to_dict(),
            "drop": self.drop,
            "skipped": list(self.skipped),
            **({} if self.named is None else {"clips_named": self.named}),
        }

    def write(self, path: str | Path) -> None:
        """Write the report as JSON to `path`, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    def require_passed(self) -> None:
        """Raise VerificationError, with figure and limit, where the verification failed."""
        for violation in self.limits.violations(self.figures, self.drop):
            raise VerificationError(self.model, f"against {self.against}, {violation}", self.limits.remedy())


def report_path(model: str | Path) -> Path:
    """Return where the report on the conversion to `model` lies: NAME.report.json beside NAME.onnx."""
    return Path(model).with_suffix(".report.json")


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
    crops, logits = _read_reference(Path(export) / REFERENCE_NAME, engine)
    return Report(str(name), str(export), limits, agreement(infer_in_batches(engine, crops), logits))


def _read_reference(path: Path, engine: Engine) -> tuple[Frame, Logits]:
    """Return crops and the logits that `engine` should give for them: with `mirror`, those of crop and image."""
    crops, plain, mirrored = _stored_arrays(path)
    size, classes = engine.spec.crop_size, engine.spec.classes
    if crops.shape[1:] != (size, size, 3) or plain.shape[1:] != (classes,):
        raise ModelError(
            path,
            f"holds crops {crops.shape} and logits {plain.shape}, "
            f"the model has {size} px crops and {classes} classes",
            "name the export that the model was made from",
        )
    mean: Logits = (plain + mirrored) / np.float32(2)
    return crops, mean if engine.spec.mirror else plain


def _stored_arrays(path: Path) -> tuple[Frame, Logits, Logits]:
    """Return the crops, their logits and those of their mirror images, as many rows of each, one or more."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            crops, plain, mirrored = (stored[name] for name in ("crops", "logits", "mirrored_logits"))
    # The bytes decide which exception a damaged archive ends in, so any that reading can raise means damage.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ModelError(path, f"is no reference of an export ({reason})", "export the model again") from error
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
    return crops, plain, mirrored


def verify_models(
    model: str | Path,
    against: str | Path,
    sources: Sequence[Source],
    *,
    runs: Runs,
    gates: Gates | None = None,
    labels: Sequence[int] | None = None,
    limit: int | None = None,
) -> Report:
    """Compare `model` with `against` by the mean logits of each clip; see `verify_chain`, of which this is two."""
    chain = verify_chain([against, model], sources, runs=runs, gates=gates, labels=labels, limit=limit)
    link = chain.links[1]
    if link.against_first is None:
        raise ValueError("the second model of a chain has no figures")
    return Report(link.model, str(against), link.limits, link.against_first, link.drop, chain.skipped, chain.named)
