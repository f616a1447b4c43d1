"""What a training run ends with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a run ended with: epochs done, the best of them (from 1) with its validation top-1 (0..1), weights.

    stopped_early: before the recipe's last epoch, as its patience was over.
    """

    epochs: int
    stopped_early: bool
    best_epoch: int
    best_top1: float
    best_weights: Path
    last_weights: Path
