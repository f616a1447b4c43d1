"""Whole runs with a teacher."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pptsn.runtime.base.errors import PptsnError
from pptsn.training.distillation.teacher import Teacher
from pptsn.training.metrics import read_metrics
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint, save_weights, state_of, weights_digest
from pptsn.training.progress import Display
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import TrainingResult, train
from tests.training.distillation.teachers import crafted_teacher
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow", "undrawn")


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"), val=2)
    save_weights(state_of(PPTSN(18, 3)), folder / "teacher.pdparams")
    return folder


def distilled(lists: Path, *, epochs: int = 2, **options: object) -> Recipe:
    content = tiny_recipe(lists, epochs=epochs, ema_decay=0.8).model_dump()
    content["distillation"] = {"teacher": str(lists / "teacher.pdparams"), **options}
    return parse_recipe(content, source="the test's recipe")


@dataclass(frozen=True)
class Run:
    """How a run ended; what it showed; what its teacher answered for some crops when it was opened and closed."""

    result: TrainingResult
    shown: str
    answers: list[np.ndarray]


@pytest.fixture(scope="module")
def whole(lists: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two epochs of two steps, from start to end."""
    shown, answers = io.StringIO(), []
    crops = np.random.default_rng(2).integers(0, 255, (2, 2, 32, 32, 3), np.uint8)

    def watched(original: Callable[[Teacher], None]) -> Callable[[Teacher], None]:
        def call(self: Teacher) -> None:
            answers.append(self.logits(crops))
            original(self)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_try", "close"):
            patch.setattr(Teacher, name, watched(getattr(Teacher, name)))
        display = Display(Console(file=shown, width=400))
        run = tmp_path_factory.mktemp("whole") / "run"
        result = train(distilled(lists, weight=0.7, label_weight=0.3), run, display=display)
    return Run(result, shown.getvalue(), answers)


def _digest(weights: Path) -> str:
    return weights_digest(read_checkpoint(weights).arrays)


def test_the_loss_and_its_parts_are_in_the_metrics(whole: Run) -> None:
    records = list(read_metrics(whole.result.last_weights.parent / "metrics.jsonl"))
    for record in records:
        prefix = "train_" if record["kind"] == "epoch" else ""
        total, labels, soft = (record[f"{prefix}{name}"] for name in ("loss", "label_loss", "soft_loss"))
        assert total == pytest.approx(0.3 * labels + 0.7 * soft, rel=1e-5)
        assert soft > 0
    steps = [record["soft_loss"] for record in records if record["kind"] == "iteration"]
    assert records[2]["train_soft_loss"] == pytest.approx(np.mean(steps[:2]))


@pytest.mark.slow
def test_with_next_to_no_weight_the_run_is_that_of_the_labels_alone(lists: Path, tmp_path: Path) -> None:
    alone = train(tiny_recipe(lists, epochs=1, ema_decay=0.8), tmp_path / "alone")
    beside = train(distilled(lists, epochs=1, weight=1e-30), tmp_path / "beside")
    found, expected = (read_checkpoint(result.last_weights).arrays for result in (beside, alone))
    assert all(found[name] == pytest.approx(array, abs=1e-6) for name, array in expected.items())


@pytest.mark.slow  # that of test_soft_labels runs always
@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (0, 1)])
def test_an_interrupted_run_goes_on_to_the_weights_of_the_undisturbed(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Run, epoch: int, step: int
) -> None:
    recipe = distilled(lists, weight=0.7, label_weight=0.3)
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=epoch, step=step)
        with pytest.raises(PptsnError, match="go on with --resume"):
            train(recipe, tmp_path / "run")
    resumed = train(recipe, tmp_path / "run", resume=True)
    assert _digest(resumed.last_weights) == _digest(whole.result.last_weights)


def test_the_teacher_does_not_learn(whole: Run) -> None:
    opened, closed = whole.answers
    assert np.array_equal(opened, closed)


def test_a_teacher_that_gives_no_numbers_ends_the_run_by_its_name(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Teacher.logits

    def spoiled(self: Teacher, crops: np.ndarray) -> np.ndarray:
        logits = answer(self, crops)
        logits[1, 2] = np.inf
        return logits

    monkeypatch.setattr(Teacher, "logits", spoiled)
    message = r"crafted\.onnx: gave logits that are no finite numbers in epoch 1, iteration 0; choose another"
    teacher = crafted_teacher(tmp_path)
    with pytest.raises(PptsnError, match=message):
        train(distilled(lists, teacher=str(teacher)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_first_lines_name_the_teacher_and_the_loss(lists: Path, whole: Run) -> None:
    said = whole.shown.splitlines()[1]
    assert said.startswith(f"distillation: the teacher is {lists}/teacher.pdparams (depth 18, fp32, by paddle")
    assert said.endswith("the loss is 0.3 * labels + 0.7 * soft labels at temperature 4")
