"""What lists may have and seldom should is told in a line each, from none to all of it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from pptsn.runtime.classify.lists import Sample
from pptsn.training.data.doubts import doubts
from pptsn.training.data.inputs import SampleLists
from pptsn.training.recipe import parse_recipe

LABELS = ("archery", "bowling", "curling")
SOUND = {
    "train": [Sample("a.mp4", 0), Sample("b.mp4", 1), Sample("c.mp4", 2)],
    "val": [Sample("d.mp4", 0), Sample("e.mp4", 1)],
}
# What to add to which list, and the line that tells it.
FAULTS = {
    "several labels": ("train", [Sample("a.mp4", 2)], "t.txt: 1 clip is listed under several labels: a.mp4"),
    "repeated": (
        "train",
        [Sample("b.mp4", 1), Sample("c.mp4", 2), Sample("c.mp4", 2)],
        "t.txt: 2 clips are listed more than once: b.mp4, c.mp4",
    ),
    "several labels in val": ("val", [Sample("d.mp4", 1)], "v.txt: 1 clip is listed under several labels: d.mp4"),
    "repeated in val": ("val", [Sample("e.mp4", 1)], "v.txt: 1 clip is listed more than once: e.mp4"),
    "shared": ("val", [Sample("c.mp4", 2)], "t.txt: 1 clip is in v.txt as well: c.mp4"),
}
CAUSES = [cause for count in range(len(FAULTS) + 1) for cause in combinations(FAULTS, count)]


def told(lists: dict[str, list[Sample]], labels: tuple[str, ...] = LABELS) -> list[str]:
    recipe = parse_recipe({"data": {"train": "t.txt", "val": "v.txt"}}, source="x")
    return list(doubts(recipe, SampleLists(lists["train"], lists["val"]), labels))


@pytest.mark.parametrize("causes", CAUSES, ids=lambda causes: ", ".join(causes) or "none")
def test_each_doubt_is_a_line_whatever_others_there_are(causes: tuple[str, ...]) -> None:
    lists = {name: list(samples) for name, samples in SOUND.items()}
    for cause in causes:
        name, more, _ = FAULTS[cause]
        lists[name] += more
    assert sorted(told(lists)) == sorted(FAULTS[cause][2] for cause in causes)


def test_classes_without_a_clip_to_learn_from_are_named() -> None:
    assert told(SOUND, (*LABELS, "darts", "diving")) == ["t.txt: no clip of 2 of 5 classes: darts, diving"]


def test_a_training_tells_them_and_goes_on(run, tmp_path: Path) -> None:
    pytest.importorskip("paddle")
    from tests.training.runs import make_lists, tiny_recipe

    lists = make_lists(tmp_path, train=4, val=3)
    with open(lists / "train.txt", "a") as stream:
        stream.write("train 0.mp4 1\n")
    (lists / "recipe.yaml").write_text(tiny_recipe(lists, epochs=1).to_yaml())
    ending = run("train", lists / "recipe.yaml", "-o", tmp_path / "run")
    assert ending.code == 0
    (line,) = (line for line in ending.err.splitlines() if "several labels" in line)
    assert line == f"{lists / 'train.txt'}: 1 clip is listed under several labels: {lists / 'train 0.mp4'}"
