"""What a report is on: a training run or a model file, with its lists of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.classify.lists import Sample, read_any_list, read_list
from pptsn.training.checkpoint.run_folder import RECIPE_NAME, RunFolder
from pptsn.training.recipe import Recipe, load_recipe


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is reported on.

    weights: its file.  recipe: of a run; None for a model file, which says itself what it is.
    test: the clips to report on.  validation: those to fit the temperature by, if there are any.
    """

    weights: Path
    recipe: Recipe | None
    test: Sequence[Sample]
    validation: Sequence[Sample] | None

    @property
    def run(self) -> RunFolder | None:
        """The run that it comes from, if it does."""
        return None if self.recipe is None else RunFolder(self.weights.parent)

    def seen_in_training(self) -> int:
        """Return how many of the clips to report on are in the run's training list as well."""
        if self.recipe is None:
            return 0
        trained = {sample.path for sample in _of_recipe(self.recipe, self.recipe.data.train)}
        return sum(sample.path in trained for sample in self.test)


def subject_of(what: str | Path, *, test: Path | None, validation: Path | None) -> Subject:
    """Return what is at `what`, a run folder or a model file; lists that are not given are the recipe's.

    Raises InputError for what is neither, and for a run without weights; UsageError where no list is known; what
    `read_list` raises.
    """
    what = Path(what)
    if not what.is_dir():
        return _of_model(what, test, validation)
    recipe = _recipe_of(what)
    weights = RunFolder(what).best_weights
    if not weights.exists():
        raise InputError(what, "has no weights: no epoch of it was finished", "go on by `pptsn train --resume`")
    if test is None and recipe.data.test is None:
        raise UsageError(what, "has a recipe without data.test", "name the clips by --list LIST")
    return Subject(
        weights=weights,
        recipe=recipe,
        test=_given(test) or _of_recipe(recipe, recipe.data.test),
        validation=_given(validation) or _of_recipe(recipe, recipe.data.val),
    )


def _of_model(model: Path, test: Path | None, validation: Path | None) -> Subject:
    if model.suffix.lower() == ".pdparams":
        cause = "does not say how it was trained"
        raise UsageError(model, cause, "name the folder of its run, or a converted model")
    if not model.exists():
        raise InputError(model, "does not exist", "name the folder of a run, or a model")
    if test is None:
        raise UsageError("--list", "is missing: a model file knows no clips", "name a list of lines `path label`")
    return Subject(
        weights=model,
        recipe=None,
        test=_given(test),
        validation=_given(validation) or None,
    )


def _recipe_of(run: Path) -> Recipe:
    path = run / RECIPE_NAME
    if not path.is_file():
        cause = f"is a folder without {RECIPE_NAME}: no run of `pptsn train`"
        raise InputError(run, cause, "name the --output of a training, or a model")
    return load_recipe(str(path))


def _given(path: Path | None) -> list[Sample]:
    return read_any_list(path, note=print_note) if path else []


def _of_recipe(recipe: Recipe, path: str | Path | None) -> list[Sample]:
    if path is None:
        return []
    return read_list(path, format=recipe.data.format, prefix=recipe.data.prefix, note=print_note)
