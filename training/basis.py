"""What a training stands on: classes, lists, types and the teacher, the same in all ranks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from pptsn.training.data.inputs import SampleLists, int8_digest, labels_of, sample_lists
from pptsn.training.distillation.distiller import Distiller, distiller_of
from pptsn.training.learning.precision import Precision
from pptsn.training.ranks.agreement import require_alike, require_same
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe


class Digests(TypedDict):
    """What a checkpoint says of the files that a training stands on, as `TrainingState` has it.

    SHA-256 in hexadecimal; "" of a teacher or an INT8 file that there is not.
    """

    data_digest: str
    teacher_digest: str
    int8_digest: str


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Of a training.

    labels: names of the classes.  precision: in which types steps compute.  distiller: None without a teacher.
    int8_digest: SHA-256 of the file that training rounds like, in hexadecimal; "" without one.
    """

    labels: tuple[str, ...]
    samples: SampleLists
    precision: Precision
    distiller: Distiller | None
    int8_digest: str

    def lines(self, recipe: Recipe) -> Iterator[str]:
        """Yield what a user should know of what is learned from beside labels."""
        if self.distiller is not None:
            yield from self.distiller.lines()
        if recipe.distillation.mutual_depth is not None:
            yield recipe.distillation.mutual_line

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Clips of each class in the training list, (C,)."""
        return np.bincount([sample.label for sample in self.samples.train], minlength=len(self.labels))

    @cached_property
    def digests(self) -> Digests:
        """Of the lists, of the teacher's file and of that of model.int8."""
        return {
            "data_digest": self.samples.digest(),
            "teacher_digest": self.distiller.digest if self.distiller else "",
            "int8_digest": self.int8_digest,
        }


def basis_of(recipe: Recipe, ranks: Ranks, held: ExitStack) -> Basis:
    """Return what a training by `recipe` stands on; `held` closes it.

    Raises what `Precision`, `labels_of`, `sample_lists`, `int8_digest` and `distiller_of` raise, and UsageError
    where ranks were started with different recipes, lists, teachers or INT8 files.
    """
    with ranks.together():
        precision = Precision(recipe)
        labels = labels_of(recipe)
        samples = sample_lists(recipe, classes=len(labels))
        int8 = int8_digest(recipe)
    require_alike(ranks, recipe, samples.digest())
    distiller = distiller_of(recipe, labels, samples, ranks)
    if distiller is not None:
        held.enter_context(distiller)
    basis = Basis(labels=labels, samples=samples, precision=precision, distiller=distiller, int8_digest=int8)
    require_same(ranks, {"distillation.teacher": basis.digests["teacher_digest"], "model.int8": int8})
    return basis
