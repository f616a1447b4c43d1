"""The rows of the table: what each changes of the recipe, and which weights of a run it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# Of a run: those that its steps ended with, their moving average, and the first with batch norm counted anew.
Weights = Literal["last", "average", "counted"]


@dataclass(frozen=True)
class Way:
    """A way to train: what it changes of the recipe, by key.  rows: which of its weights each row is about."""

    name: str
    changes: Mapping[str, object] = field(default_factory=dict)
    rows: Mapping[str, Weights] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rows:
            object.__setattr__(self, "rows", {self.name: "last"})


# Neither an average nor counted statistics change a step: these rows are read from the same runs.
PLAIN = Way(
    "student alone",
    {"optimizer.ema_decay": 0.98},
    {"student alone": "last", "moving average, 0.98": "average", "precise batch norm": "counted"},
)
_RANDOM_RESIZED = {"augmentation.crop": "random_resized", "augmentation.crop_area": [0.3, 1.0]}
# What is learned from by the distilled rows: longer, and by the crops that gain the most.  Of 34 layers a teacher
# was no better than its students here, and they were the worse for it.
TEACHER = Way("teacher", {"optimizer.epochs": 40, **_RANDOM_RESIZED})
_COLOURS = ("brightness", "contrast", "saturation")
_TEMPERATURE = 4


def ways(teacher: Path) -> tuple[Way, ...]:
    """Return what the table compares, PLAIN first; teacher: the weights of TEACHER."""
    distilled = {"distillation.teacher": str(teacher), "distillation.temperature": _TEMPERATURE}
    return (
        PLAIN,
        Way("distilled, soft labels beside the labels", distilled),
        Way("mutual, a second student of the same depth", {"distillation.mutual_depth": 18}),
        Way("label smoothing 0.1", {"augmentation.label_smoothing": 0.1}),
        Way("mixup 0.2", {"augmentation.mixup_alpha": 0.2}),
        Way("random-resized crop", _RANDOM_RESIZED),
        Way("brightness, contrast, saturation 0.4", {f"augmentation.{name}": 0.4 for name in _COLOURS}),
        Way("hue 0.1", {"augmentation.hue": 0.1}),
        Way("dropout 0.4", {"model.drop_ratio": 0.4}),
    )
