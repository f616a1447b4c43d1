"""The loss of a batch where a teacher has its say beside the labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from pptsn.runtime.base.errors import PptsnError
from pptsn.training.data.loader import Batch
from pptsn.training.distillation.objective import mixed_divergence
from pptsn.training.distillation.teacher import Teacher
from pptsn.training.learning.losses import Mix
from pptsn.training.network._paddle import paddle
from pptsn.training.sections import DistillationSection


class Distiller:
    """Learns from `teacher` by `options`: label_weight * the labels' loss + weight * the divergence from it.

    parts: of the last batch's loss, unweighted: `label_loss` and `soft_loss`.
    """

    def __init__(self, options: DistillationSection, teacher: Teacher) -> None:
        self._options, self._teacher = options, teacher
        self.parts: dict[str, float] = {}
        self._unsound = False

    def loss(self, label_loss: Any, logits: Any, batch: Batch, mix: Mix, *, weights: Any) -> Any:
        """Return the loss of `logits` (B, C) float32, the network's for `batch` as `mix` mixed it, a scalar.

        label_loss: that of the labels alone.  weights: of classes, see `cross_entropy`.
        The teacher sees the clips unmixed, and its answers are mixed as labels are.
        """
        answers = self._teacher.logits(batch.crops)
        self._unsound |= not np.isfinite(answers).all()
        soft = mixed_divergence(
            logits,
            paddle.to_tensor(answers),
            paddle.to_tensor(batch.labels),
            mix,
            temperature=self._options.temperature,
            weights=weights,
        )
        self.parts = {"label_loss": float(label_loss), "soft_loss": float(soft)}
        return self._options.label_weight * label_loss + self._options.weight * soft

    def require_sound(self, *, place: str) -> None:
        """Raise PptsnError where the teacher gave logits that are no finite numbers; place: for the error."""
        if self._unsound:
            cause = f"gave logits that are no finite numbers in {place}"
            raise PptsnError(self._teacher.path, cause, "choose another teacher")
