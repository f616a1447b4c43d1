"""The loss of a batch where a teacher has its say beside the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import PptsnError
from pptsn.training.data.inputs import SampleLists, clip_settings, lists_digest
from pptsn.training.data.loader import Batch
from pptsn.training.distillation.objective import mixed_divergence
from pptsn.training.distillation.soft_labels import SoftLabels, origin
from pptsn.training.distillation.teacher import Teacher, open_teacher
from pptsn.training.learning.losses import Losses, Mix
from pptsn.training.network._paddle import paddle
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe


class Distiller(Closing):
    """Learns from `teacher` as `recipe` says: label_weight * the labels' loss + weight * the divergence from it.

    soft_labels: where its answers are kept; None asks it for each batch.
    parts: of the last batch's loss, unweighted: `label_loss` and `soft_loss`.
    """

    def __init__(self, recipe: Recipe, teacher: Teacher, soft_labels: SoftLabels | None = None) -> None:
        self._recipe, self._options = recipe, recipe.distillation
        self._settings = clip_settings(recipe)
        self._teacher, self._soft_labels = teacher, soft_labels
        self.parts: Losses = {}
        self._unsound = False

    @property
    def digest(self) -> str:
        """SHA-256 of the teacher's file, in hexadecimal."""
        return self._teacher.digest

    def lines(self) -> Iterator[str]:
        """Yield what a user should know before the training."""
        yield from self._teacher.lines(self._recipe)
        if self._soft_labels is not None:
            yield self._soft_labels.line(self._settings.draws)

    def begin_epoch(self, epoch: int) -> None:
        """Make ready for the batches of `epoch`, from 0; a collective of all ranks."""
        if self._soft_labels is not None:
            self._soft_labels.begin(self._settings.draw_of(epoch))

    def end_epoch(self) -> None:
        """Keep the answers of the epoch, a collective of all ranks; raises InputError where they cannot be."""
        if self._soft_labels is not None:
            self._soft_labels.end()

    def loss(self, label_loss: Any, logits: Any, batch: Batch, mix: Mix, *, weights: Any) -> Any:
        """Return the loss of `logits` (B, C) float32, the network's for `batch` as `mix` mixed it, a scalar.

        label_loss: that of the labels alone.  weights: of classes, see `cross_entropy`.
        The teacher sees the clips unmixed, and its answers are mixed as labels are.
        """
        answers = self._answers(batch)
        self._unsound |= not np.isfinite(answers).all()
        soft = mixed_divergence(
            logits,
            paddle.to_tensor(answers),
            paddle.to_tensor(batch.labels),
            mix,
            temperature=self._options.divisor,
            weights=weights,
        )
        self.parts = {"label_loss": float(label_loss), "soft_loss": float(soft)}
        return self._options.label_weight * label_loss + self._options.weight * soft

    def _answers(self, batch: Batch) -> Any:
        if self._soft_labels is None:
            return self._teacher.logits(batch.crops)
        return self._soft_labels.answers(batch.indices, lambda rows: self._teacher.logits(batch.crops[rows]))

    def require_sound(self, *, place: str) -> None:
        """Raise PptsnError where the teacher gave logits that are no finite numbers; place: for the error."""
        if self._unsound:
            cause = f"gave logits that are no finite numbers in {place}"
            raise PptsnError(self._teacher.path, cause, "choose another teacher")

    def close(self) -> None:
        """Release the teacher."""
        self._teacher.close()


def distiller_of(recipe: Recipe, labels: tuple[str, ...], samples: SampleLists, ranks: Ranks) -> Distiller | None:
    """Return what distils in a training by `recipe`; None where that has no teacher.

    Raises what `open_teacher` and `SoftLabels` raise.
    """
    with ranks.together():
        teacher = open_teacher(recipe, labels, device=ranks.device or recipe.device)
    if teacher is None:
        return None
    folder = recipe.distillation.soft_labels
    if folder is None:
        return Distiller(recipe, teacher)
    told = origin(
        teacher=teacher.digest,
        clips=lists_digest(samples.train),
        seed=recipe.seed,
        settings=clip_settings(recipe),
    )
    try:
        shape = {"clips": len(samples.train), "classes": len(labels)}
        return Distiller(recipe, teacher, SoftLabels(folder, told, **shape, ranks=ranks))
    except BaseException:
        teacher.close()
        raise
