"""Proving a model: against the logits that Paddle gave, and against another model on real clips."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from convert.agreement import Agreement, agreement
from runtime.clips import Source
from runtime.engines import Engine, open_engine
from runtime.engines.base import Logits
from runtime.errors import InputError, ModelError, UsageError, VerificationError
from runtime.export_folder import REFERENCE_NAME
from runtime.files import write_text
from runtime.preprocess import Frame
from runtime.recognizer import Recognizer
from runtime.results import Classification, Failure

# FP32 on another runtime differs by rounding alone; logits of trained networks span tens.
FP32_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Report:
    """What a verification found.

    model, against: what was compared; tolerance: the largest absolute logit difference that passes.
    figures: the agreement; skipped: clips that could not be read, with the reason.
    """

    model: str
    against: str
    tolerance: float
    figures: Agreement
    skipped: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether the largest logit difference is within the tolerance."""
        return self.figures.max_abs <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """Return the report's JSON object."""
        return {
            "model": self.model,
            "against": self.against,
            "tolerance": self.tolerance,
            "passed": self.passed,
            **self.figures.to_dict(),
            "skipped": list(self.skipped),
        }

    def write(self, path: str | Path) -> None:
        """Write the report as JSON to `path`, atomically."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    def require_passed(self) -> None:
        """Raise VerificationError, with the figures, where the verification failed."""
        if not self.passed:
            raise VerificationError(
                self.model,
                f"its logits differ from those of {self.against} by up to {self.figures.max_abs:.2e} "
                f"(mean {self.figures.mean_abs:.2e}, top-1 agreement {self.figures.top1:.1%}), "
                f"more than the tolerance {self.tolerance:g}",
                "convert it again from the same export, or pass --tolerance if that much is acceptable",
            )


def report_path(model: str | Path) -> Path:
    """Return where the report on `model` lies: NAME.report.json beside NAME.onnx."""
    return Path(model).with_suffix(".report.json")


def verify_reference(engine: Engine, export: str | Path, *, name: str | Path, tolerance: float) -> Report:
    """Compare `engine` with the logits that Paddle gave for the crops in the reference of `export`.

    Raises ModelError for a missing, damaged or foreign reference.
    """
    crops, logits = _read_reference(Path(export) / REFERENCE_NAME, engine)
    batches = range(0, len(crops), engine.batch_size)
    found = np.concatenate([engine.infer(crops[i : i + engine.batch_size]) for i in batches])
    return Report(str(name), str(export), tolerance, agreement(found, logits))


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
    sources: Iterable[Source],
    *,
    segments: int,
    views: str,
    tolerance: float,
    device: str = "cpu",
) -> Report:
    """Compare two models by the mean logits of each clip in `sources`.

    A clip that cannot be read for either model is skipped and named; raises InputError where none is left, and
    ModelError where the models do not know the same number of classes.
    """
    sources = list(sources)
    if not sources:
        raise UsageError("--clips", "names no clips", "name a folder, a list or files")
    found, skipped = _clip_logits(model, sources, segments=segments, views=views, device=device)
    expected, skipped_later = _clip_logits(against, sources, segments=segments, views=views, device=device)
    skipped = {**skipped_later, **skipped}
    clips = [clip for clip in found if clip in expected]
    if not clips:
        reason = next(iter(skipped.values()))
        raise InputError("--clips", f"none of {len(sources)} clips can be read ({reason})", "name others")
    shapes = {logits.shape for logits in (*found.values(), *expected.values())}
    if len(shapes) > 1:
        raise ModelError(model, f"and {against} do not have the same number of classes")
    figures = agreement(np.stack([found[clip] for clip in clips]), np.stack([expected[clip] for clip in clips]))
    return Report(str(model), str(against), tolerance, figures, tuple(skipped.values()))


def _clip_logits(
    model: str | Path, sources: list[Source], *, segments: int, views: str, device: str
) -> tuple[dict[str, Logits], dict[str, str]]:
    """Return the mean logits (C,) of each readable source, and the errors of the others, both by source."""
    logits: dict[str, Logits] = {}
    skipped: dict[str, str] = {}
    with Recognizer(open_engine(model, device=device)) as recognizer:
        for result in recognizer.classify_many(sources, segments=segments, views=views):
            if isinstance(result, Failure):
                skipped[result.source] = str(result.error)
            elif isinstance(result, Classification):
                logits[result.source] = result.logits
    return logits, skipped
