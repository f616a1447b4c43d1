"""What a report is on: a training run or a model file, with its lists of clips."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.classify.lists import Sample, read_any_list, read_list
from pptsn.training.checkpoint.run_folder import RunFolder
from pptsn.training.datasets.folder.making import told_beside
from pptsn.training.datasets.listing import REPORT as LISTS_REPORT
from pptsn.training.recipe import RECIPE_NAME, Recipe, load_recipe


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is reported on.

    weights: its file.  recipe: of a run; None for a model file, which says itself what it is.
    test: the clips to report on.  validation: those to fit the temperature by, if there are any.
    folds_of: the run of whose folds the clips are, so that it has answered them itself; None for clips of a list.
    test_file, validation_file: the lists of these clips, if they are of lists.
    """

    weights: Path
    recipe: Recipe | None
    test: Sequence[Sample]
    validation: Sequence[Sample] | None
    folds_of: RunFolder | None = None
    test_file: Path | None = None
    validation_file: Path | None = None

    @property
    def run(self) -> RunFolder | None:
        """The run that it comes from, if it does."""
        return None if self.recipe is None else RunFolder(self.weights.parent)

    def notes(self) -> list[str]:
        """Return a sentence for each thing about the lists that a reader of their figures must know."""
        said: list[str] = []
        if self.recipe is not None:
            said += told_beside(self.recipe.data.train)
            said += self._unfinished(self.recipe)
            if self.folds_of is None:
                said += self._trained_on(self.recipe)
        if fitted := self._also_in(self.validation or ()):
            said.append(
                f"{fitted} of the {len(self.test)} clips are in the validation list too: the calibration error at "
                "a temperature that is fitted to it says little of other clips"
            )
        return said

    def _unfinished(self, recipe: Recipe) -> list[str]:
        """Say where the run's training stands, unless it has done all epochs of its recipe."""
        done, epochs = RunFolder(self.weights.parent).epochs_done, recipe.optimizer.epochs
        if recipe.model.head_only or not 0 < done < epochs:
            return []
        said = f"the training has done {done} of the {epochs} epochs of its recipe"
        # With patience it may have ended there.
        return [said if recipe.optimizer.patience else f"{said}: `pptsn train --resume` goes on with it"]

    def _trained_on(self, recipe: Recipe) -> list[str]:
        """Say how many of the clips the run has learned from; its training list need not be here any more."""
        try:
            seen = self._also_in(_of_recipe(recipe, recipe.data.train))
        except InputError as error:
            cause = f"{error.thing} {error.cause}"
            return [f"whether the run has learned from some of these clips is not known: {cause}"]
        if not seen:
            return []
        return [f"{seen} of the {len(self.test)} clips are in the training list too: of these it tells memory"]

    def _also_in(self, others: Sequence[Sample]) -> int:
        """Return how many of the clips to report on are among `others`, by whatever path."""
        there = {os.path.realpath(sample.path) for sample in others}
        return sum(os.path.realpath(sample.path) in there for sample in self.test)


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
        if (what / LISTS_REPORT).exists():
            remedy = f"name the folder of a training by them, such as {what / 'train'}"
            raise InputError(what, "holds lists and no weights: no run of `pptsn train`", remedy)
        raise InputError(what, "has no weights: no epoch of it was finished", "go on by `pptsn train --resume`")
    has_list = test is not None or recipe.data.test is not None
    if not has_list and recipe.data.folds is None:
        raise UsageError(what, "has a recipe without data.test", "name the clips by --list LIST")
    if not has_list and validation is not None:
        cause = "is not for a cross-validation, whose temperature is that of its own answers"
        raise UsageError("--validation", cause, "leave it out, or name other clips by --list LIST")
    return Subject(
        weights=weights,
        recipe=recipe,
        test=_given(test) or _own(recipe, recipe.data.test, "--list"),
        validation=_given(validation) or _own(recipe, recipe.data.val, "--validation"),
        folds_of=None if has_list else RunFolder(what),
        test_file=test or recipe.data.test,
        validation_file=validation or recipe.data.val,
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
        test_file=test,
        validation_file=validation,
    )


def _recipe_of(run: Path) -> Recipe:
    path = run / RECIPE_NAME
    if not path.is_file():
        cause = f"is a folder without {RECIPE_NAME}: no run of `pptsn train`"
        raise InputError(run, cause, "name the --output of a training, or a model")
    return load_recipe(str(path))


def _given(path: Path | None) -> list[Sample]:
    return read_any_list(path, note=print_note) if path else []


def _own(recipe: Recipe, path: str | Path | None, option: str) -> list[Sample]:
    """Return the list at `path`, which the recipe of a run names; option: that names another."""
    if path is not None and not Path(path).exists():
        remedy = f"report from the folder in which the training ran, or name another list by {option}"
        raise InputError(path, "does not exist; the recipe of the run names it", remedy)
    return _of_recipe(recipe, path)


def _of_recipe(recipe: Recipe, path: str | Path | None) -> list[Sample]:
    if path is None:
        return []
    return read_list(path, format=recipe.data.format, prefix=recipe.data.prefix, note=print_note)
