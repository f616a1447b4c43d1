"""Runs that round as an INT8 file does."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pptsn.runtime.base.errors import PptsnError, UsageError
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import read_checkpoint, save_weights, state_of, weights_digest
from pptsn.training.progress import Display
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.trainer import train
from tests.training.int8_files import write_int8_file
from tests.training.runs import interrupt_in, make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def lists(narrow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lists(tmp_path_factory.mktemp("lists"))
    save_weights(state_of(PPTSN(18, 3)), folder / "start.pdparams")
    return folder


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.training.writing.plot_metrics", lambda *arguments, **options: None)


def recipe_of(lists: Path, int8: Path, **values: object) -> Recipe:
    content = tiny_recipe(lists, epochs=2).model_dump()
    model = content["model"] | {"pretrained": lists / "start.pdparams", "int8": int8}
    return parse_recipe({**content, "model": model, **values}, source="the test's recipe")


def test_what_is_rounded_keeps_its_statistics_and_the_rest_learns(lists: Path, tmp_path: Path) -> None:
    places = [("Conv", number, 0) for number in range(10)]
    recipe = recipe_of(lists, write_int8_file(tmp_path / "m.int8.onnx", places=places))
    result = train(recipe, tmp_path / "run")
    before, after = (read_checkpoint(path).arrays for path in (lists / "start.pdparams", result.last_weights))
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    statistics = {name for name in before if name.endswith(("._mean", "._variance"))}
    kept = {name for name in statistics if name not in moved}
    assert len(kept) == 2 * len(places)
    assert moved == before.keys() - kept


def test_a_resumed_run_is_the_uninterrupted_one_and_takes_no_other_file(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_int8_file(tmp_path / "m.int8.onnx")
    recipe = recipe_of(lists, file)
    whole = train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_in(patch, epoch=1, step=1)
        with pytest.raises(PptsnError, match="go on with --resume"):
            train(recipe, tmp_path / "run")
    content = file.read_bytes()
    write_int8_file(file, scale=0.06)
    message = r"was started with another INT8 file \(its SHA-256 differs\); restore model\.int8, or choose another"
    with pytest.raises(UsageError, match=message):
        train(recipe, tmp_path / "run", resume=True)
    file.write_bytes(content)
    resumed = train(recipe, tmp_path / "run", resume=True)
    one, other = (read_checkpoint(result.last_weights).arrays for result in (whole, resumed))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_validation_is_of_the_rounded_network(lists: Path, tmp_path: Path) -> None:
    """A scale that leaves next to nothing of the values leaves nothing to tell classes by."""
    places = [("GlobalAveragePool", 0, 0)]
    file = write_int8_file(tmp_path / "m.int8.onnx", scale=1e9, places=places)
    train(recipe_of(lists, file), tmp_path / "run")
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    bias = read_checkpoint(tmp_path / "run" / "last.pdparams").arrays["head.fc.bias"]
    shares = np.exp(bias) / np.exp(bias).sum()
    expected = float(-np.log(shares).mean())  # one clip of each class
    assert last["val_loss"] == pytest.approx(expected, abs=1e-5)


def test_what_does_not_go_with_rounding_is_refused(lists: Path, tmp_path: Path) -> None:
    file = tmp_path / "m.int8.onnx"
    with pytest.raises(
        UsageError, match=r"model\.int8 rounds in FP32, and amp is set; set amp=false, or leave model\.int8"
    ):
        recipe_of(lists, file, amp="O1")
    for model, message in (
        ({"int8": file}, "int8 needs pretrained, the weights that the file was made of"),
        ({"int8": file, "pretrained": file, "precise_batch_norm": 9}, "leave out precise_batch_norm"),
    ):
        with pytest.raises(UsageError, match=message):
            parse_recipe(tiny_recipe(lists).model_dump() | {"model": model}, source="the test's recipe")


@pytest.mark.parametrize("of", ["these weights", "others"])
def test_a_file_that_was_made_of_other_weights_is_told(lists: Path, tmp_path: Path, of: str) -> None:
    digest = (
        weights_digest(read_checkpoint(lists / "start.pdparams").arrays) if of == "these weights" else "0" * 64
    )
    recipe, shown = (
        recipe_of(lists, write_int8_file(tmp_path / "m.int8.onnx", weights_digest=digest)),
        io.StringIO(),
    )
    with pytest.MonkeyPatch.context() as patch:
        interrupt_in(patch, epoch=0, step=0)
        with pytest.raises(PptsnError, match="interrupted"):
            train(recipe, tmp_path / "run", display=Display(Console(file=shown, width=400)))
    told = f"{tmp_path / 'm.int8.onnx'}: was made of other weights than training begins with"
    assert (told in shown.getvalue()) == (of == "others")
