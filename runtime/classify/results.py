"""What classifying a source gives: ranked classes, or an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.options import check_whole
from pptsn.runtime.classify.evidence import CropLogits, Evidence, evidence_of
from pptsn.runtime.classify.origin import Origin
from pptsn.runtime.classify.ranking import leading_classes
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.video.web.served import Served


@dataclass(frozen=True)
class Prediction:
    """One class with its score, a probability in 0..1."""

    class_id: int
    label: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of an entry of `top`, the score rounded to a millionth."""
        return {"class_id": self.class_id, "label": self.label, "score": round(self.score, 6)}


@dataclass(frozen=True)
class Truth:
    """The class that a list says a source is of."""

    class_id: int
    label: str


@dataclass(frozen=True)
class Timing:
    """Where the time of one source went, in milliseconds.

    decode_ms: opening, decoding, sampling and resizing; inference_ms: its share of the engine's calls;
    total_ms: from opening it to its answer, with the waiting for other sources.
    """

    decode_ms: float
    inference_ms: float
    total_ms: float

    def to_dict(self) -> dict[str, float]:
        """Return the times by stage, in milliseconds, rounded to a hundredth."""
        return {
            "decode": round(self.decode_ms, 2),
            "inference": round(self.inference_ms, 2),
            "total": round(self.total_ms, 2),
        }


@dataclass(frozen=True, eq=False)
class Classification:
    """The answer for one source.

    frames: how many frames the source has.  protocol: how it was looked at.
    logits: (C,) float32, the mean over frames and views; scores: the softmax of them / temperature, (C,) float32.
    duration_s: None where the source does not tell.
    lost_frames: frames that could not be decoded; warnings: what else was odd, a sentence each.
    crop_logits: those of each crop of each frame, where they were asked for by `evidence=True`; else None.
    served: by what a web server's file is known again; None for others, and where the server does not say.
    origin: what a later run knows it by; None where nobody noted it.
    truth: its class, for a source with a label; else None.
    pictures: small ones, (H, W, 3) uint8 RGB, in the clip's order, where the settings ask for any.
    leading_evidence: of the leading class, where `crop_logits` were let go; see `light`.
    """

    source: str
    frames: int
    duration_s: float | None
    protocol: Protocol
    logits: Logits
    labels: tuple[str, ...] = field(repr=False)
    timing: Timing
    temperature: float = 1.0
    lost_frames: int = 0
    warnings: tuple[str, ...] = ()
    served: Served | None = None
    crop_logits: CropLogits | None = None
    origin: Origin | None = None
    truth: Truth | None = None
    pictures: tuple[Frame, ...] = field(default=(), repr=False)
    leading_evidence: Evidence | None = None

    @property
    def right(self) -> bool | None:
        """Whether the leading class is the true one; None where that is not known."""
        return None if self.truth is None else self.top(1)[0].class_id == self.truth.class_id

    @property
    def segments(self) -> int:
        """The frames that were looked at."""
        return self.protocol.segments

    @property
    def views(self) -> str:
        """Which crops of each were looked at."""
        return self.protocol.views

    @property
    def scores(self) -> Logits:
        """The probability of each class, (C,) float32."""
        return softmax(self.logits, temperature=self.temperature)

    @property
    def scores_by_frame(self) -> Logits:
        """The probability of each class by each segment's frame alone, (S, C) float32.

        Raises UsageError where it was not classified with `evidence=True`.
        """
        return softmax(self._kept().by_frame, temperature=self.temperature)

    @property
    def scores_by_view(self) -> Logits:
        """The probability of each class by each crop alone, of each segment's frame, (S, V, C) float32.

        Raises UsageError where it was not classified with `evidence=True`.
        """
        return softmax(self._kept().logits, temperature=self.temperature)

    @property
    def margin(self) -> float:
        """The score of the leading class less that of the second, in 0..1; how far apart they are."""
        return _margin_of(self.top(2))

    @property
    def told(self) -> str:
        """The source and what was odd about it, in a line; "" where nothing was."""
        return printable(f"{self.source}: {'; '.join(self.warnings)}") if self.warnings else ""

    def top(self, count: int = 5) -> tuple[Prediction, ...]:
        """Return the `count` leading classes (or all, if there are fewer), best first; ties by class number.

        Raises UsageError for what is no whole number of 0 or more.
        """
        check_whole(count, "top", least=0)
        return top_predictions(self.scores, self.labels, count)

    def evidence(self, class_id: int | None = None) -> Evidence:
        """Return what each frame and each crop has added to the logit of a class; None: of the leading one.

        Raises UsageError where it was not classified with `evidence=True`, and for a class that there is not.
        """
        if self.leading_evidence is not None and class_id in (None, self.leading_evidence.class_id):
            return self.leading_evidence
        kept = self._kept()
        if class_id is None:
            class_id = self.top(1)[0].class_id
        check_whole(class_id, "class_id", least=0, most=len(self.labels) - 1)
        return evidence_of(kept, class_id, self.labels[class_id])

    @property
    def light(self) -> Classification:
        """It with all that `to_dict` tells and without what is large, for those who hold thousands."""
        told = self.leading_evidence if self.crop_logits is None else self.evidence()
        return replace(self, crop_logits=None, pictures=(), leading_evidence=told)

    def _kept(self) -> CropLogits:
        if self.crop_logits is None:
            cause = "the logits of its frames and crops were not kept"
            raise UsageError(printable(self.source), cause, "classify it with evidence=True")
        return self.crop_logits

    def to_dict(self, *, top: int = 5) -> dict[str, Any]:
        """Return the fields of one line of `classify --output`; top: as of `top`."""
        check_whole(top, "top", least=0)
        leading = self.top(max(top, 2))
        fields: dict[str, Any] = {
            "source": printable(self.source),
            "frames": self.frames,
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
            "segments": self.segments,
            "views": self.views,
            "sampling": self.protocol.sampling,
            "resize_rule": self.protocol.resize_rule,
            "top": [p.to_dict() for p in leading[:top]],
            "margin": round(_margin_of(leading), 6),
            **_truth_fields(self),
            "timing_ms": self.timing.to_dict(),
        }
        if self.crop_logits is not None or self.leading_evidence is not None:
            fields["evidence"] = self.evidence().to_dict()
        if self.origin is not None:
            fields.update(self.origin.to_dict())
        if self.warnings:
            fields["lost_frames"] = self.lost_frames
            fields["warnings"] = list(self.warnings)
        return fields


@dataclass(frozen=True)
class Failure:
    """A source that could not be classified, and why.

    truth: its class, for a source with a label; else None.
    """

    source: str
    error: PptsnError = field(compare=False)
    truth: Truth | None = None

    @property
    def right(self) -> bool | None:
        """False for a source with a label: no answer is none that is right; None for one without."""
        return None if self.truth is None else False

    def to_dict(self, *, top: int = 5) -> Mapping[str, Any]:
        """Return the fields of one line of `classify --output`."""
        return {"source": printable(self.source), **_truth_fields(self), "error": printable(str(self.error))}


def _margin_of(leading: Sequence[Prediction]) -> float:
    """Return the score of the first of the two or more leading classes, or of a single one, less the second's."""
    return leading[0].score - (leading[1].score if len(leading) > 1 else 0.0)


def _truth_fields(result: Classification | Failure) -> dict[str, Any]:
    """Return the fields of a source with a label."""
    return {} if result.truth is None else {"truth": asdict(result.truth), "right": result.right}


def is_doubtful(result: Classification | Failure, below: float | None) -> bool:
    """Whether the leading score is less than `below`; of a failure, and where nothing is given, always."""
    return below is None or isinstance(result, Failure) or result.top(1)[0].score < below


def in_all(total: int, *, failed: int, warned: int, things: str = "sources") -> str:
    """Return in a line how many of `total` sources were answered.

    warned: those that were answered with warnings.  things: what the sources are called.
    """
    with_warnings = f", {warned} of them with warnings" if warned else ""
    without_answer = f"; {failed} failed" if failed else ""
    return f"{total - failed} of {total} {things} answered{with_warnings}{without_answer}"


def top_predictions(
    scores: Logits, labels: Sequence[str], count: int, *, among: Sequence[int] | None = None
) -> tuple[Prediction, ...]:
    """Return the `count` leading classes of `scores` (C,), or all, if there are fewer; best first, ties by number.

    among: the classes to choose from, in ascending order; None for all.
    """
    classes = np.arange(len(scores)) if among is None else np.array(among, np.int64)
    leading = classes[leading_classes(scores[None, classes], count)[0]]
    return tuple(Prediction(int(i), labels[i], float(scores[i])) for i in leading)


def softmax(logits: Logits, *, temperature: float = 1.0) -> Logits:
    """Return exp(x) / sum(exp(x)) of x = logits / temperature over the last axis, float32.

    It is computed in float64, without overflow.
    """
    shifted = np.exp((logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)) / temperature)
    result: Logits = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result
