"""How to convert to FP16, as the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.convert.verify.limits import FP16_ERROR
from pptsn.runtime.base.options import check_ranges, option


@dataclass(frozen=True, kw_only=True)
class Fp16Options:
    """How to convert.

    tolerance: the largest normalised logit error (see `agreement.normalised_errors`) of a frame that passes.
    compensate: round weights such that their errors cancel on real frames (`pptsn.convert.graph.compensation`).
    """

    tolerance: float = option(
        "Largest normalised logit error of a frame that passes.", default=FP16_ERROR, least=0
    )
    compensate: bool = option(
        "Round weights such that their errors cancel on the frames given.",
        "--compensate/--no-compensate",
        default=True,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
