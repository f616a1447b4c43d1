"""What a training stands on: classes, lists, types and the teacher, the same in all ranks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from pptsn.training.data.inputs import SampleLists, labels_of, sample_lists
from pptsn.training.distillation.teacher import Teacher, open_teacher
from pptsn.training.learning.precision import Precision
from pptsn.training.ranks.agreement import require_alike, require_same
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Of a training.

    labels: names of the classes.  precision: in which types steps compute.  teacher: None where there is none.
    """

    labels: tuple[str, ...]
    samples: SampleLists
    precision: Precision
    teacher: Teacher | None

    @property
    def teacher_digest(self) -> str:
        """SHA-256 of the teacher's file, in hexadecimal; "" without one."""
        return self.teacher.digest if self.teacher else ""


def basis_of(recipe: Recipe, ranks: Ranks, held: ExitStack) -> Basis:
    """Return what a training by `recipe` stands on; `held` closes it.

    Raises what `Precision`, `labels_of`, `sample_lists` and `open_teacher` raise, and UsageError where ranks were
    started with different recipes, lists or teachers.
    """
    with ranks.together():
        precision = Precision(recipe)
        labels = labels_of(recipe)
        samples = sample_lists(recipe, classes=len(labels))
    require_alike(ranks, recipe, samples.digest())
    with ranks.together():
        teacher = open_teacher(recipe, labels, device=ranks.device or recipe.device)
        if teacher is not None:
            held.enter_context(teacher)
    basis = Basis(labels=labels, samples=samples, precision=precision, teacher=teacher)
    require_same(ranks, {"distillation.teacher": basis.teacher_digest})
    return basis
