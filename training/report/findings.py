"""What a report says of a model: figures, calibration, the clips that went wrong, and what to know beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pptsn.runtime.base.files import printable
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.evaluate.calibration import Calibration, calibration, fit_temperature
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.report.answers import Answered
from pptsn.training.report.figures import Figures, Share, figures_of

_CONFUSED = 20


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What came out.

    weights: the name of their file.  spec, looked_at, engine: of what was run, and how.
    folds: of a cross-validation, the right answers in each fold, in their order; none of a test list.
    answered: the clips of the test list.  figures: of them.
    calibration: of their scores as the model gives them.
    temperature: fitted on the validation list, or on the answers of a cross-validation; None where there is none.
    calibrated: the scores at it, of other clips than it was fitted on.
    is_kept: whether the temperature is in the spec of the run's best weights.
    notes: a sentence for each thing that a reader must know.
    """

    weights: str
    spec: ModelSpec
    looked_at: Protocol
    engine: str
    answered: Answered
    figures: Figures
    calibration: Calibration | None
    temperature: float | None = None
    calibrated: Calibration | None = None
    folds: tuple[Share, ...] = ()
    is_kept: bool = False
    notes: tuple[str, ...] = field(default=())

    def wrong(self, most: int) -> list[tuple[int, Classification]]:
        """Return the index and answer of clips that went wrong, the surest of them first, `most` at most."""
        wrong = [
            (index, result)
            for index, (label, result) in enumerate(zip(self.answered.labels, self.answered.results, strict=True))
            if isinstance(result, Classification) and result.top(1)[0].class_id != label
        ]
        return sorted(wrong, key=lambda each: -each[1].top(1)[0].score)[:most]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of `report.json`."""
        labels = self.spec.labels
        return {
            "schema": "pptsn.report",
            "version": 1,
            "weights": printable(self.weights),
            "weights_digest": self.spec.weights_digest,
            "precision": self.spec.precision,
            "engine": self.engine,
            "segments": self.looked_at.segments,
            "views": self.looked_at.views,
            "sampling": self.looked_at.sampling,
            "resize_rule": self.looked_at.resize_rule,
            "cross_validation": self._folds_dict(),
            "clips": self.figures.top1.clips,
            "unreadable": [printable(str(failure.error)) for failure in self.answered.failures],
            "top1": self.figures.top1.to_dict(),
            "top5": self.figures.top5.to_dict(),
            "classes": [
                {"class_id": number, "label": label, "top1": _dict(share), "answered_right": _dict(precision)}
                for number, (label, share, precision) in enumerate(
                    zip(labels, self.figures.by_class, self.figures.answered_right, strict=True)
                )
            ],
            "confused": [
                {"label": labels[own], "answer": labels[answer], "clips": clips}
                for own, answer, clips in self.figures.confused(_CONFUSED)
            ],
            "calibration_error": None if self.calibration is None else self.calibration.error,
            "temperature_of_the_model": self.spec.temperature,
            "temperature": self.temperature,
            "calibration_error_at_it": None if self.calibrated is None else self.calibrated.error,
            "notes": list(self.notes),
        }

    def _folds_dict(self) -> dict[str, Any] | None:
        if not self.folds:
            return None
        return {
            "folds": len(self.folds),
            "mean_top1": mean_of(self.folds),
            "top1_by_fold": [_dict(share) for share in self.folds],
        }


def found(
    answered: Answered,
    validation: Answered | None,
    *,
    spec: ModelSpec,
    engine: str,
    weights: str,
    looked_at: Protocol,
    notes: Sequence[str] = (),
    folds: Sequence[Share] = (),
) -> Findings:
    """Return what the answers for the test list say, and those for the `validation` list of the temperature.

    engine: what gave them.  folds: of a cross-validation, whose answers are both.
    """
    figures = figures_of(answered.results, answered.labels, classes=spec.classes)
    said = list(notes)
    before = after = temperature = None
    if len(figures.labels):
        before = calibration(figures.logits, figures.labels, temperature=spec.temperature)
        temperature = _temperature(validation, spec, said)
    if temperature is not None and folds:
        said.append(
            f"the temperature ({temperature:.3g}) is fitted to these same answers: the calibration error at it "
            "would say little of other clips, and is left out"
        )
    elif temperature is not None and before is not None:
        after = calibration(figures.logits, figures.labels, temperature=temperature)
        # A model that has this temperature already has nothing to gain; its runtime's logits differ by a little.
        if after.error >= before.error and not math.isclose(temperature, spec.temperature, rel_tol=0.01):
            said.append(
                f"the temperature that fits the validation list best ({temperature:.3g}) does not lower the "
                f"calibration error of the test list ({before.error:.1%} before, {after.error:.1%} at it)"
            )
    failed = len(answered.failures)
    if failed:
        said.append(f"{failed} clips gave no answer, and count as wrong")
    return Findings(
        weights=weights,
        spec=spec,
        looked_at=looked_at,
        engine=engine,
        answered=answered,
        figures=figures,
        calibration=before,
        temperature=temperature,
        calibrated=after,
        folds=tuple(folds),
        notes=tuple(said),
    )


def mean_of(shares: Sequence[Share]) -> float:
    """Return the mean of the values of `shares`, however many clips each is of, 0..1."""
    return sum(share.value for share in shares) / len(shares)


def _temperature(validation: Answered | None, spec: ModelSpec, said: list[str]) -> float | None:
    """Return the temperature that fits `validation`; None, and why is said, where there is none."""
    if validation is None:
        said.append("no validation list was named, so no temperature was fitted")
        return None
    read = [isinstance(result, Classification) for result in validation.results]
    if not any(read):
        said.append("no clip of the validation list gave an answer, so no temperature was fitted")
        return None
    figures = figures_of(validation.results, validation.labels, classes=spec.classes)
    temperature = fit_temperature(figures.logits, figures.labels)
    if temperature is None:
        right, read_clips = figures.top1.right, len(figures.labels)
        reason = "its scores do not go with right answers"
        if right == read_clips:
            reason = "it takes wrong answers, too, to tell how far scores can be trusted"
        said.append(f"no temperature fits the validation list ({right} of {read_clips} clips right): {reason}")
    return temperature


def _dict(share: Share | None) -> dict[str, Any] | None:
    return None if share is None else share.to_dict()
