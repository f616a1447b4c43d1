"""What a training stands on: classes, lists, types and the teacher, the same in all ranks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from pptsn.training.data.inputs import SampleLists, int8_digest, labels_of, sample_lists
from pptsn.training.distillation.distiller import Distiller, distiller_of
from pptsn.training.learning.precision import Precision
from pptsn.training.ranks.agreement import require_alike, require_same
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe


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
    def teacher_digest(self) -> str:
        """SHA-256 of the teacher's file, in hexadecimal; "" without one."""
        return self.distiller.digest if self.distiller else ""


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
    require_same(ranks, {"distillation.teacher": basis.teacher_digest, "model.int8": int8})
    return basis
