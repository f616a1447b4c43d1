"""The classifier alone: a run as any other, whose backbone stays as it was."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pptsn.runtime.base.errors import InputError, ModelError, PptsnError, UsageError
from pptsn.training import head_only
from pptsn.training.evaluation import evaluate
from pptsn.training.metrics import read_metrics
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import BACKBONE, read_checkpoint, save_weights, state_of
from pptsn.training.progress import Display
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.result import TrainingResult
from pptsn.training.trainer import train
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lists(tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def start(lists: Path, narrow: None) -> Path:
    """Weights of other classes to begin with."""
    paddle.seed(0)
    save_weights(state_of(PPTSN(18, 7)), lists / "start.pdparams")
    return lists / "start.pdparams"


def changed(recipe: Recipe, **model: object) -> Recipe:
    content = recipe.model_dump()
    content["model"].update(model)
    return parse_recipe(content, source="the test's recipe")


def head_recipe(lists: Path, start: Path, **optimizer: object) -> Recipe:
    return changed(tiny_recipe(lists, **optimizer), pretrained=start, head_only=True)


@pytest.fixture(scope="module")
def whole(lists: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, str]:
    """A run, and the lines that it showed."""
    shown = io.StringIO()
    folder = tmp_path_factory.mktemp("whole") / "run"
    result = train(head_recipe(lists, start), folder, display=Display(Console(file=shown, width=400)))
    return result, shown.getvalue()


def test_the_backbone_stays_to_the_bit_and_the_classifier_learns(
    whole: tuple[TrainingResult, str], start: Path
) -> None:
    result, shown = whole
    before, after = read_checkpoint(start).arrays, read_checkpoint(result.best_weights, classes=3).arrays
    assert [
        name for name in after if name.startswith(BACKBONE) and not np.array_equal(before[name], after[name])
    ] == []
    assert result.best_top1 == 1.0  # three grey levels
    assert "8 clips to train on and 3 to validate with" in shown
    (epoch,) = [r for r in read_metrics(result.best_weights.parent / "metrics.jsonl") if r["kind"] == "epoch"]
    tried = [r for r in read_metrics(result.best_weights.parent / "metrics.jsonl") if r["kind"] == "penalty"]
    assert epoch["val_loss"] == min(record["val_loss"] for record in tried)
    assert len(tried) == len(head_only.PENALTIES)


def test_what_it_says_of_clips_is_what_an_evaluation_of_them_finds(
    whole: tuple[TrainingResult, str], lists: Path, start: Path
) -> None:
    recipe = head_recipe(lists, start)
    found = evaluate(recipe, whole[0].best_weights, views="center")
    assert (found.top1, found.clips) == (whole[0].best_top1, 3)


def test_a_finished_run_is_left_alone_and_other_lists_are_refused(
    whole: tuple[TrainingResult, str], lists: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_only, "view_function", None)
    folder = whole[0].best_weights.parent
    assert train(head_recipe(lists, start), folder, resume=True) == whole[0]
    with pytest.raises(UsageError, match=r"model\.head_only \(True → False\)"):
        train(changed(head_recipe(lists, start), head_only=False), folder, resume=True)
    kept = (lists / "val.txt").read_text()
    try:
        (lists / "val.txt").write_text("".join(kept.splitlines(keepends=True)[:1]))
        with pytest.raises(UsageError, match="other training or validation lists"):
            train(head_recipe(lists, start), folder, resume=True)
    finally:
        (lists / "val.txt").write_text(kept)


def test_it_wants_weights_to_begin_with(lists: Path) -> None:
    with pytest.raises(UsageError, match="head_only needs pretrained"):
        changed(tiny_recipe(lists), head_only=True)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("optimizer", {"ema_decay": 0.9}),
        ("model", {"freeze": "res5"}),
        ("model", {"precise_batch_norm": 8}),
        ("model", {"sync_batch_norm": True}),
        ("distillation", {"teacher": "teacher.pdparams"}),
        ("distillation", {"mutual_depth": 18}),
    ],
)
def test_what_is_of_steps_is_refused(lists: Path, start: Path, section: str, values: dict[str, object]) -> None:
    content = head_recipe(lists, start).model_dump()
    content[section].update(values)
    ((key, _),) = values.items()
    said = rf"which {section}\.{key} would change; --set {section}\.{key}=(null|false) turns that off"
    with pytest.raises(UsageError, match=f"head_only takes no steps, {said}"):
        parse_recipe(content, source="x")


@pytest.mark.parametrize(
    ("part", "fails"),
    [
        ("val 0", False),
        ("val", True),
        pytest.param("train 0", False, marks=pytest.mark.slow),
        pytest.param("train", True, marks=pytest.mark.slow),
    ],
)
def test_unreadable_clips_are_counted_wrong_and_a_list_without_others_is_a_line(
    tmp_path: Path, start: Path, part: str, fails: bool
) -> None:
    lists = make_lists(tmp_path, train=4, val=3)
    for path in lists.glob(f"{part}*.mp4"):
        path.write_bytes(b"no video")
    recipe = head_recipe(lists, start)
    content = recipe.model_dump()
    content["data"]["max_unreadable"] = 1.0
    recipe = parse_recipe(content, source="x")
    name = {"train": "training", "val": "validation"}[part.split()[0]]
    if fails:
        with pytest.raises(InputError, match=f"{name} list: has no clip that can be read"):
            train(recipe, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return
    train(recipe, tmp_path / "run")
    (epoch,) = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "epoch"]
    assert [f"{part}.mp4" in line for line in epoch["unreadable"]] == [True]
    assert epoch["val_top1"] <= (2 / 3 if name == "validation" else 1)


def test_an_interrupted_run_leaves_nothing_and_says_where_it_was(
    lists: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(head_only, "fit_linear_head", interrupted)
    with pytest.raises(PptsnError, match="interrupted before the classifier was fitted"):
        train(head_recipe(lists, start), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("part", "wrong"), [("val", 0), ("val", 2), ("train", 2)])
def test_each_list_has_its_own_share_of_clips_that_may_be_unreadable(
    tmp_path: Path, start: Path, part: str, wrong: int
) -> None:
    """Of both lists together they would be less than half."""
    lists = make_lists(tmp_path, train=3, val=3)
    for index in range(wrong):
        (lists / f"{part} {index}.mp4").write_bytes(b"no video")
    if not wrong:
        train(head_recipe(lists, start), tmp_path / "run")
        return
    with pytest.raises(InputError, match=r"^data loading: 2 of 3 clips cannot be read, more than 50 %"):
        train(head_recipe(lists, start), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_wrong_class_weights_are_told_before_any_clip_is_looked_at(
    lists: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_only, "view_function", lambda *arguments, **options: pytest.fail("it has begun"))
    with pytest.raises(UsageError, match="class_weights: has 2 numbers, and there are 3 classes"):
        train(head_recipe(lists, start, class_weights=[1, 2]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_whose_features_are_no_numbers_are_named(lists: Path, start: Path, tmp_path: Path) -> None:
    arrays = dict(read_checkpoint(start).arrays)
    last = ("bb_3_0.conv1._batch_norm.bias", "bb_3_0.short._batch_norm.bias")  # which are added up
    wild = {name: np.full_like(array, 3e38) for name, array in arrays.items() if name.endswith(last)}
    save_weights({**arrays, **wild}, tmp_path / "wild.pdparams")
    with pytest.raises(
        ModelError, match=r"wild\.pdparams: gives features that are no finite numbers; choose other"
    ):
        train(head_recipe(lists, tmp_path / "wild.pdparams"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
