"""What a reader must know of the lists that a report is on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.lists import read_list
from pptsn.training.recipe import Recipe, parse_recipe
from pptsn.training.report.subject import Subject, subject_of

TOLD = {"property": "the width of the picture", "label": 1, "accuracy": 0.9, "chance": 0.6, "class": "run"}
SENTENCE = "run can be told by the width of the picture alone: 90% of it and of the rest (by chance 60%)"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Lists of three clips each, of which none need be there."""
    for part in ("train", "val", "test"):
        (tmp_path / f"{part}.txt").write_text("".join(f"{part}{index}.mp4 {index}\n" for index in range(3)))
    lists = {part: str(tmp_path / f"{part}.txt") for part in ("train", "val", "test")}
    return parse_recipe({"model": {"classes": 3}, "data": lists}, source="the test's recipe")


def subject(recipe: Recipe, test: str | Path) -> Subject:
    return Subject(
        weights=Path("best.pdparams"),
        recipe=recipe,
        test=read_list(test),
        validation=read_list(str(recipe.data.val)),
    )


@pytest.mark.parametrize("shared", [0, 1, 3])
@pytest.mark.parametrize(("part", "message"), [("train", "it tells memory"), ("val", "validation list too")])
def test_clips_that_were_seen_before_are_counted_by_whatever_path(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, message: str, shared: int
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"{part if index < shared else 'new'}{index}.mp4 {index}\n" for index in range(3)]
    (tmp_path / "odd.txt").write_text("".join(names))
    notes = subject(recipe, "odd.txt").notes()  # of relative paths; those of the recipe are absolute
    assert [note for note in notes if message in note] == notes
    assert [note.partition(" clips")[0] for note in notes] == ([f"{shared} of the 3"] if shared else [])


def test_a_training_list_that_is_gone_is_a_note(recipe: Recipe) -> None:
    Path(str(recipe.data.train)).unlink()
    (note,) = subject(recipe, str(recipe.data.test)).notes()
    assert note.startswith("whether the run has learned from some of these clips is not known: ")
    assert "train.txt cannot be read" in note


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"made_by": "pptsn data folder", "told_by": [TOLD]}, True),
        ({"made_by": "pptsn data folder", "told_by": []}, False),
        ({"made_by": "pptsn data k400", "told_by": [TOLD]}, False),
        ({"made_by": "pptsn data folder", "told_by": [{"class": "run"}]}, False),
        ([], False),
        (None, False),
    ],
)
def test_what_classes_can_be_told_by_is_said_where_the_lists_say_it(
    recipe: Recipe, tmp_path: Path, written: object, said: bool
) -> None:
    if written is not None:
        (tmp_path / "lists.report.json").write_text(json.dumps(written))
    notes = subject(recipe, str(recipe.data.test)).notes()
    assert [note.startswith(SENTENCE) for note in notes] == [True] * said
    model = dataclasses.replace(subject(recipe, str(recipe.data.test)), recipe=None)
    assert model.notes() == []  # its lists are nobody's


@pytest.mark.parametrize(
    ("done", "asked", "said"),
    [
        ([], {}, None),
        ([2], {}, "the training has done 2 of the 9 epochs of its recipe: `pptsn train --resume` goes on with it"),
        (
            [3, 2],
            {"optimizer": {"epochs": 9, "patience": 1}},
            "the training has done 3 of the 9 epochs of its recipe",
        ),
        ([2, 9], {}, None),
        ([1], {"model": {"classes": 3, "head_only": True, "pretrained": "w.pdparams"}}, None),
    ],
)
def test_a_training_that_was_stopped_is_told(
    recipe: Recipe, tmp_path: Path, done: list[int], asked: dict[str, object], said: str | None
) -> None:
    for epoch in done:
        (tmp_path / f"run/checkpoints/epoch-{epoch:04d}").mkdir(parents=True)
    lists = {part: str(getattr(recipe.data, part)) for part in ("train", "val", "test")}
    values = {"model": {"classes": 3}, "data": lists, "optimizer": {"epochs": 9}} | asked
    of_run = dataclasses.replace(
        subject(recipe, lists["test"]),
        weights=tmp_path / "run" / "best.pdparams",
        recipe=parse_recipe(values, source="the test's recipe"),
    )
    assert of_run.notes() == ([] if said is None else [said])


@pytest.mark.parametrize("is_lists", [False, True])
def test_a_folder_of_lists_is_told_from_a_run_without_weights(
    recipe: Recipe, tmp_path: Path, is_lists: bool
) -> None:
    (tmp_path / "recipe.yaml").write_text(
        f"model:\n  classes: 3\ndata:\n  train: {recipe.data.train}\n  val: {recipe.data.val}\n"
    )
    if is_lists:
        (tmp_path / "lists.report.json").write_text("{}")
    with pytest.raises(InputError, match=r"such as .*/train" if is_lists else "no epoch of it was finished"):
        subject_of(tmp_path, test=None, validation=None)


@pytest.mark.parametrize(("part", "option"), [("test", "--list"), ("val", "--validation")])
def test_a_list_of_the_recipe_that_is_not_here_is_told_with_the_option_for_another(
    recipe: Recipe, tmp_path: Path, part: str, option: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    lists = "".join(f"  {name}: {getattr(recipe.data, name)}\n" for name in ("train", "val", "test"))
    (run / "recipe.yaml").write_text(f"model:\n  classes: 3\ndata:\n{lists}")
    (run / "best.pdparams").write_bytes(b"not read here")
    assert len(subject_of(run, test=None, validation=None).test) == 3
    (tmp_path / f"{part}.txt").unlink()
    with pytest.raises(InputError, match=rf"{part}\.txt: does not exist; .* by {option}$"):
        subject_of(run, test=None, validation=None)
