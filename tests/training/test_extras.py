"""What recipes can ask for beside what is published, in whole runs: the values are tested where they are made."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.training import trainer
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.learning.averaging import WeightAverage
from pptsn.training.learning.learner import Learner
from pptsn.training.metrics import read_metrics
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint, save_weights, state_of, weights_digest
from pptsn.training.progress import Display
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import TrainingResult, train
from pptsn.training.validation import Validation
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow", "undrawn")

EXTRAS: dict[str, dict[str, object]] = {
    "model": {"precise_batch_norm": 7, "freeze": "res2"},
    "augmentation": {"crop": "random_resized", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
    "optimizer": {"ema_decay": 0.8, "patience": 3, "class_weights": "inverse_frequency"},
}


def with_extras(recipe: Recipe, extras: dict[str, dict[str, object]]) -> Recipe:
    content = recipe.model_dump()
    merged = {name: {**content[name], **values} for name, values in extras.items()}
    return parse_recipe({**content, **merged}, source="the test's recipe")


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"))
    save_weights(state_of(PPTSN(18, 3)), folder / "start.pdparams")
    return folder


def recipe_with_extras(lists: Path, **optimizer: object) -> Recipe:
    recipe = with_extras(tiny_recipe(lists, **optimizer), {"model": {"pretrained": lists / "start.pdparams"}})
    return with_extras(recipe, EXTRAS)


@pytest.fixture(scope="module")
def whole(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run of three epochs of two steps with all extras, from start to end."""
    return train(recipe_with_extras(lists), tmp_path_factory.mktemp("whole") / "run")


def digests(run: Path) -> dict[str, str]:
    """Return the digests of all weights of a run, by their place in it."""
    return {
        str(path.relative_to(run)): weights_digest(read_checkpoint(path).arrays)
        for path in sorted(run.rglob("*.pdparams"))
    }


def interrupt_in(monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
    """Make the training raise KeyboardInterrupt, as Ctrl-C does, at a step, from 0."""
    original = Learner.add

    def interrupted(self: Learner, batch: object, *, part: int) -> float:
        if self.iteration == step:
            raise KeyboardInterrupt
        return original(self, batch, part=part)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "add", interrupted)


@pytest.mark.parametrize("step", [2, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 3, 4, 5))])
def test_with_all_extras_a_resumed_run_is_the_uninterrupted_one_to_the_bit(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: TrainingResult, step: int
) -> None:
    recipe = recipe_with_extras(lists)
    with monkeypatch.context() as patch:
        interrupt_in(patch, step=step)
        with pytest.raises(PptsnError, match="go on with --resume"):
            train(recipe, tmp_path / "run")
    resumed = train(recipe, tmp_path / "run", resume=True)
    assert (resumed.best_epoch, resumed.best_top1) == (whole.best_epoch, whole.best_top1)
    assert digests(tmp_path / "run") == digests(whole.last_weights.parent)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["count_statistics", "validate"])
def test_cut_while_the_averages_are_in_place_it_is_too(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: TrainingResult, place: str
) -> None:
    owner = Learner if place == "count_statistics" else trainer
    original, calls = getattr(owner, place), iter(range(9))

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, interrupted)
        with pytest.raises(PptsnError, match="interrupted in epoch 2"):
            train(recipe_with_extras(lists), tmp_path / "run")
    train(recipe_with_extras(lists), tmp_path / "run", resume=True)
    assert digests(tmp_path / "run") == digests(whole.last_weights.parent)


def test_the_averages_are_validated_and_saved_beside_what_steps_go_on_with(whole: TrainingResult) -> None:
    run = whole.last_weights.parent
    last = digests(run)["checkpoints/epoch-0003/weights.pdparams"]
    assert digests(run)["last.pdparams"] == last
    assert digests(run)["checkpoints/epoch-0003/weights.unaveraged.pdparams"] != last
    epochs = [record for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["val_averaged"] for record in epochs] == [True] * 3


def test_the_average_counts_the_steps_of_all_epochs(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(WeightAverage, "update", lambda self, steps, weights: seen.append(steps))
    train(tiny_recipe(lists, epochs=2, ema_decay=0.8), tmp_path / "run")
    assert seen == [0, 1, 2, 3]


def test_frozen_stages_keep_their_weights_and_statistics_and_have_no_velocities(
    lists: Path, whole: TrainingResult
) -> None:
    before, after = (read_checkpoint(path).arrays for path in (lists / "start.pdparams", whole.last_weights))
    kept = {name for name in before if np.array_equal(before[name], after[name])}
    assert kept == {name for name in before if name.startswith(("backbone.conv1_", "backbone.bb_0_"))}
    velocities = read_pickle(whole.last_weights.parent / "last" / "weights.pdopt")
    assert {name.removesuffix(".velocity") for name in velocities} == {
        name for name in before if name not in kept and not name.endswith(("._mean", "._variance"))
    }


def test_where_all_batch_norms_are_frozen_there_are_no_statistics_to_count(lists: Path, tmp_path: Path) -> None:
    recipe = with_extras(recipe_with_extras(lists), {"model": {"freeze": "res5"}})
    message = r"^model\.precise_batch_norm: has nothing to count, as model\.freeze res5 .*; leave one of them out$"
    with pytest.raises(UsageError, match=message):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _validated(monkeypatch: pytest.MonkeyPatch, *outcomes: tuple[float, float]) -> None:
    """Let each validation find the next of `outcomes`, (top-1, loss), in place of a validation."""
    coming = iter(outcomes)

    def validate(*arguments: object, **options: object) -> Validation:
        top1, loss = next(coming)
        return Validation(loss=loss, top1=top1, top5=1.0, unreadable=())

    monkeypatch.setattr("pptsn.training.trainer.validate", validate)


def test_without_a_better_epoch_training_ends_once_its_patience_is_over_and_more_of_it_goes_on(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    recipe = tiny_recipe(lists, batch_size=8, epochs=9, patience=2)
    # Better by its top-1, by its loss alone, not at all twice.
    _validated(monkeypatch, (0.5, 2.0), (0.6, 2.5), (0.6, 2.4), (0.6, 2.4), (0.5, 1.0))
    result = train(recipe, tmp_path / "run", display=Display(Console(file=shown, width=200)))
    assert (result.epochs, result.best_epoch, result.stopped_early) == (5, 3, True)
    said = "stopped after epoch 5 of 9: 2 epochs without a better validation (optimizer.patience)"
    assert shown.getvalue().splitlines()[-1] == said
    assert train(recipe, tmp_path / "run", resume=True) == result
    # The count goes on: one more epoch is the third without a better one.
    _validated(monkeypatch, (0.5, 1.0), (1.0, 1.0))
    patient = train(tiny_recipe(lists, batch_size=8, epochs=9, patience=3), tmp_path / "run", resume=True)
    assert (patient.epochs, patient.best_epoch) == (6, 3)


@pytest.mark.parametrize(("later", "waited"), [(1, "1 epoch"), (2, "2 epochs")])
def test_how_long_it_was_waited_is_told_with_less_patience_too(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: int, waited: str
) -> None:
    _validated(monkeypatch, (0.5, 1.0), *[(0.4, 1.0)] * later)
    recipe = tiny_recipe(lists, batch_size=8, epochs=9, patience=later)
    train(recipe, tmp_path / "run")
    shown = io.StringIO()
    impatient = tiny_recipe(lists, batch_size=8, epochs=9, patience=1)
    train(impatient, tmp_path / "run", resume=True, display=Display(Console(file=shown, width=200)))
    assert f": {waited} without a better validation (optimizer.patience)" in shown.getvalue()


def test_the_clips_a_second_are_those_that_steps_saw(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    train(tiny_recipe(lists, batch_size=3, epochs=2), tmp_path / "run")  # of 8 clips
    epochs = [record for record in read_metrics(tmp_path / "run" / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["clips_per_s"] for record in epochs] == [6, 6]
