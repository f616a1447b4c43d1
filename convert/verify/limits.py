"""When a model is close enough to another: what its user allows, or else what its precision can keep."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from pptsn.convert.verify.agreement import Agreement
from pptsn.runtime.base.options import check_ranges, option

# FP32 on another runtime differs by rounding alone; logits of trained networks span tens.
FP32_TOLERANCE = 1e-3
# Of each row, RMS of the logits' error over their deviation: a hundred times what rounding to 24 bits comes to.
FP32_ERROR = 1e-3
# Likewise: what rounding to 11 bits comes to.
FP16_ERROR = 0.02
# INT8 moves every logit, so it is judged by its answers.
INT8_AGREEMENT = 0.98
# Whatever its answers: half of what tells the logits of a crop apart.  Right files reach 0.19 (docs/files.md).
INT8_ERROR = 0.5
# Shares and points are ratios of counts: a hair above a limit is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a comparison has to keep to; None is no limit.

    max_abs: the largest absolute difference of two logits.
    error_worst: the largest normalised error of a row (`agreement.normalised_errors`).
    min_agreement: the smallest share (0..1) of rows whose leading class is the same.
    max_drop: the most points of top-1 that may be lost, 0..100.
    spare_clips: how many rows may have another leading class, or be lost, whatever the shares say.
    """

    max_abs: float | None = None
    error_worst: float | None = None
    min_agreement: float | None = None
    max_drop: float | None = None
    spare_clips: int = 0

    def violations(self, figures: Agreement, drop: float | None) -> list[str]:
        """Return a phrase, with figure and limit, for each limit that is not kept.

        drop: the points of top-1 that were lost; None where it was not measured, which breaks no limit.
        """
        found = []
        # Negated, so that a figure that is no number never passes.
        if self.max_abs is not None and not figures.max_abs <= self.max_abs:
            found.append(
                f"its logits differ by up to {figures.max_abs:.2e} (mean {figures.mean_abs:.2e}, "
                f"top-1 agreement {figures.top1:.1%}), more than the tolerance {self.max_abs:g}"
            )
        if self.error_worst is not None and not figures.error_worst <= self.error_worst:
            found.append(
                f"its normalised logit error reaches {figures.error_worst:.3g} "
                f"(median {figures.error_median:.3g}), more than {self.error_worst:g}"
            )
        spare = self.spare_clips / figures.rows
        beyond = f", by more than {self.spare_clips} of {figures.rows}" if self.spare_clips else ""
        if self.min_agreement is not None and not figures.top1 >= min(self.min_agreement, 1 - spare) - _ROUNDING:
            found.append(
                f"its top-1 agreement is {figures.top1:.2%} of {figures.rows}, less than "
                f"{self.min_agreement:.2%}{beyond}"
            )
        most = None if self.max_drop is None else max(self.max_drop, 100 * spare)
        if most is not None and drop is not None and not drop <= most + _ROUNDING:
            found.append(f"it loses {drop:.2f} points of top-1, more than {self.max_drop:g}{beyond}")
        return found

    def spared(self, figures: Agreement, drop: float | None) -> list[str]:
        """Return a phrase for each limit that is kept by the spare clips alone; arguments as of `violations`."""
        if not self.spare_clips or self.violations(figures, drop):
            return []
        why = f"which passes by --spare-clips {self.spare_clips}: so few clips tell no share"
        return [
            f"{phrase}, {why}" for phrase in dataclasses.replace(self, spare_clips=0).violations(figures, drop)
        ]

    def remedy(self) -> str:
        """Return what to do where a limit is not kept."""
        if self.max_abs is not None:
            return "convert it again from the same export, or pass --tolerance if that much is acceptable"
        if self.error_worst is not None:  # of FP16, which has no layers to choose
            return "deploy it in FP32, or pass a wider limit"
        return "keep more layers in a higher precision or calibrate on more frames, or pass a wider limit"


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What the user of `pptsn verify` asks for; None where they did not.

    tolerance: see `Limits.max_abs`; max_drop, min_agreement, spare_clips: see `Limits`.
    Raises UsageError for values out of range.
    """

    tolerance: float | None = option("Largest absolute logit difference that passes.", default=None, least=0)
    max_drop: float | None = option(
        "Most points of top-1 that may be lost; needs --labelled.", default=None, least=0, most=100
    )
    min_agreement: float | None = option(
        "Smallest share (0..1) of clips with the same leading class.", default=None, least=0, most=1
    )
    spare_clips: int = option(
        "So many clips may have another leading class, or be lost, whatever the shares: of few clips one alone "
        "is more than a share allows.",
        default=0,
        least=0,
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def asked(self) -> bool:
        """Whether the user asks for any limit."""
        return (self.tolerance, self.max_drop, self.min_agreement) != (None, None, None)

    def limits(self, precisions: Iterable[str], *, on_gpu: bool = False) -> Limits:
        """Return the limits for models of `precisions`: those asked for alone, or else the coarsest one's own.

        on_gpu: whether one of them runs there.  TensorRT's FP32 plans multiply in TF32, whose mantissa is FP16's,
            so FP32 is judged as FP16.  ONNX Runtime's CUDA provider, which runs with TF32 off, is closer than
            that, and goes by the same rule.
        """
        spare = self.spare_clips
        if self.asked:
            return Limits(
                max_abs=self.tolerance, min_agreement=self.min_agreement, max_drop=self.max_drop, spare_clips=spare
            )
        present = set(precisions)
        if "int8" in present:
            return Limits(min_agreement=INT8_AGREEMENT, spare_clips=spare)
        if "fp16" in present or on_gpu:
            return Limits(error_worst=FP16_ERROR)
        return Limits(max_abs=FP32_TOLERANCE)
