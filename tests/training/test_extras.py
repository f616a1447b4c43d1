"""What recipes can ask for beside what is published, in whole runs: the values are tested where they are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime.base.errors import PptsnError
from pptsn.training.learning.learner import Learner
from pptsn.training.metrics import read_metrics
from pptsn.training.network.weights import read_checkpoint, weights_digest
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import TrainingResult, train
from tests.training.runs import make_lists, tiny_recipe

EXTRAS = {"optimizer": {"ema_decay": 0.8}}


def with_extras(recipe: Recipe, extras: dict[str, dict[str, object]]) -> Recipe:
    content = recipe.model_dump()
    merged = {name: {**content[name], **values} for name, values in extras.items()}
    return parse_recipe({**content, **merged}, source="the test's recipe")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lists(tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def whole(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run of three epochs of two steps with all extras, from start to end."""
    return train(with_extras(tiny_recipe(lists), EXTRAS), tmp_path_factory.mktemp("whole") / "run")


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
    recipe = with_extras(tiny_recipe(lists), EXTRAS)
    with monkeypatch.context() as patch:
        interrupt_in(patch, step=step)
        with pytest.raises(PptsnError, match="go on with --resume"):
            train(recipe, tmp_path / "run")
    resumed = train(recipe, tmp_path / "run", resume=True)
    assert (resumed.best_epoch, resumed.best_top1) == (whole.best_epoch, whole.best_top1)
    assert digests(tmp_path / "run") == digests(whole.last_weights.parent)


def test_the_averages_are_validated_and_saved_beside_what_steps_go_on_with(whole: TrainingResult) -> None:
    run = whole.last_weights.parent
    last = digests(run)["checkpoints/epoch-0003/weights.pdparams"]
    assert digests(run)["last.pdparams"] == last
    assert digests(run)["checkpoints/epoch-0003/weights.unaveraged.pdparams"] != last
    epochs = [record for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "epoch"]
    assert [record["val_averaged"] for record in epochs] == [True] * 3
