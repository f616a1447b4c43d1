"""`pptsn data k400`: the lists of the original tools, from the published annotation format."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.lists import read_list
from pptsn.runtime.model.labels import kinetics400, read_labels
from pptsn.training.datasets.listing import ClipList, write_lists
from tests.training.datasets.annotated import HEADER, frame_folder, touch, write_csv

TRAIN = (
    "archery,0wAiWYDW0k0,9,19,train,0",
    '"air drumming",_axE99QAhe8,26,36,train,0',
    '"passing American football (in game)",-3B32lodo2M,120.0,130.0,train,1',
    '"massaging person\'s head",zzzzzzzzzz1,0,10,train,0',
    "zumba,_AbCdEfGhI-,1234567,1234577,train,0",
)
VAL = ("abseiling,_4YTwq0-73Y,44,54,validate,0", "archery,RpqgUQBrjc8,1,11,validate,0")


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    write_csv(tmp_path / "annotations" / "train.csv", *TRAIN)
    write_csv(tmp_path / "annotations" / "val.csv", *VAL)
    return tmp_path / "annotations"


def lists(run, annotations: Path, clips: Path, *more: object) -> Path:
    output = annotations.parent / "lists"
    ending = run("data", "k400", annotations, "--clips", clips, "-o", output, *more)
    assert ending.code == 0, ending.err
    return output


def test_the_lists_are_those_of_the_original_tools(tmp_path: Path, run, annotations: Path) -> None:
    clips = touch(
        tmp_path / "videos",
        "archery/0wAiWYDW0k0_000009_000019.mp4",
        "air_drumming/_axE99QAhe8_000026_000036.mp4",
        "passing_American_football_(in_game)/-3B32lodo2M_000120_000130.mp4",
        "massaging_person's_head/zzzzzzzzzz1_000000_000010.mp4",
        "zumba/_AbCdEfGhI-_1234567_1234577.mp4",
        "abseiling/_4YTwq0-73Y_000044_000054.mp4",
        "archery/RpqgUQBrjc8_000001_000011.mp4",
    )
    made = lists(run, annotations, clips)
    assert (made / "train.list").read_text() == (
        "archery/0wAiWYDW0k0_000009_000019.mp4 5\n"
        "air_drumming/_axE99QAhe8_000026_000036.mp4 1\n"
        "passing_American_football_(in_game)/-3B32lodo2M_000120_000130.mp4 208\n"
        "massaging_person's_head/zzzzzzzzzz1_000000_000010.mp4 196\n"
        "zumba/_AbCdEfGhI-_1234567_1234577.mp4 399\n"
    )
    assert (made / "val.list").read_text() == (
        "abseiling/_4YTwq0-73Y_000044_000054.mp4 0\narchery/RpqgUQBrjc8_000001_000011.mp4 5\n"
    )
    assert read_labels(made / "labels.txt") == kinetics400()
    report = json.loads((made / "lists.report.json").read_text())
    assert all(
        found["listed"] and not any(v for k, v in found.items() if k != "listed") for found in report.values()
    )


def test_a_recipe_reads_what_was_written(tmp_path: Path, run, annotations: Path) -> None:
    clips = touch(tmp_path / "set" / "videos", "air drumming/_axE99QAhe8_000026_000036.mp4")
    made = lists(run, annotations, clips, "--prefix", tmp_path / "set")
    (sample,) = read_list(made / "train.list", prefix=tmp_path / "set", classes=400)
    assert (sample.path, sample.label) == (str(clips / "air drumming" / "_axE99QAhe8_000026_000036.mp4"), 1)


@pytest.mark.parametrize(
    "there",
    [
        "air drumming/_axE99QAhe8_000026_000036.mkv",
        "train/air_drumming/_axE99QAhe8_26_36.mp4",
        "_axE99QAhe8.webm",
        "Air Drumming/_axE99QAhe8_000026_000036.mp4.mkv",
        "air_drumming/_axE99QAhe8_000027_000036.mp4",
        "archery/_axE99QAhe8_000026_000036.mp4",
    ],
)
def test_a_clip_of_another_name_is_found(tmp_path: Path, run, annotations: Path, there: str) -> None:
    made = lists(run, annotations, touch(tmp_path / "videos", there))
    assert (made / "train.list").read_text() == f"{there} 1\n"
    found = json.loads((made / "lists.report.json").read_text())["train.list"]
    assert len(found["missing"]) == 4
    published_name = "_axE99QAhe8_000026_000036" in there and "archery" not in there
    assert found["renamed"] == ({} if published_name else {"air_drumming/_axE99QAhe8_000026_000036": there})


@pytest.mark.parametrize("there", ["_axE99QAhe8_000016_000026.mp4", "x_axE99QAhe8_000026_000036.mp4", "26_36.mp4"])
def test_another_clip_is_not_taken_for_it(tmp_path: Path, run, annotations: Path, there: str) -> None:
    made = lists(run, annotations, touch(tmp_path / "videos", there, "0wAiWYDW0k0.mp4"))
    assert (made / "train.list").read_text() == "0wAiWYDW0k0.mp4 5\n"


def test_missing_and_renamed_clips_are_counted_and_named(tmp_path: Path, run, annotations: Path) -> None:
    clips = touch(tmp_path / "videos", "0wAiWYDW0k0.mp4", "RpqgUQBrjc8_000001_000011.mp4")
    ending = run("data", "k400", annotations, "--clips", clips, "-o", tmp_path / "out")
    assert ending.code == 0
    shown = ending.out.splitlines()
    assert shown[0] == f"{tmp_path / 'out' / 'train.list'}: 1 of 5 clips"
    assert shown[1].startswith("  4 missing: air_drumming/_axE99QAhe8_000026_000036, passing_American")
    assert shown[2] == "  1 under another name: archery/0wAiWYDW0k0_000009_000019 is 0wAiWYDW0k0.mp4"
    assert shown[3] == f"{tmp_path / 'out' / 'val.list'}: 1 of 2 clips"


def test_repeated_rows_and_doubled_files_count_once_and_are_named(tmp_path: Path, run) -> None:
    write_csv(tmp_path / "a" / "train.csv", TRAIN[0], TRAIN[1], TRAIN[0])
    clips = touch(
        tmp_path / "videos",
        "old/0wAiWYDW0k0_000009_000019.mp4",
        "archery/0wAiWYDW0k0_000009_000019.webm",
        "air_drumming/_axE99QAhe8_000026_000036.mp4",
    )
    made = lists(run, tmp_path / "a", clips)
    assert (made / "train.list").read_text().splitlines() == [
        "archery/0wAiWYDW0k0_000009_000019.webm 5",
        "air_drumming/_axE99QAhe8_000026_000036.mp4 1",
    ]
    found = json.loads((made / "lists.report.json").read_text())["train.list"]
    assert found["repeated"] == ["archery/0wAiWYDW0k0_000009_000019"]
    assert list(found["doubled"]) == ["archery/0wAiWYDW0k0_000009_000019"]
    assert len(found["doubled"]["archery/0wAiWYDW0k0_000009_000019"]) == 2


def test_a_file_without_times_stands_for_one_clip_of_its_video(tmp_path: Path, run) -> None:
    write_csv(tmp_path / "a" / "train.csv", "archery,x,9,19,train,0", "archery,x,50,60,train,0")
    made = lists(run, tmp_path / "a", touch(tmp_path / "videos", "x.mp4"))
    assert (made / "train.list").read_text() == "x.mp4 5\n"
    found = json.loads((made / "lists.report.json").read_text())["train.list"]
    assert found["missing"] == ["archery/x_000050_000060"]


def test_what_is_trained_and_tested_with_is_told(tmp_path: Path, run) -> None:
    write_csv(tmp_path / "a" / "train.csv", TRAIN[0])
    write_csv(tmp_path / "a" / "val.csv", TRAIN[0].replace("train", "val"))
    clips = touch(tmp_path / "videos", "0wAiWYDW0k0.mp4")
    ending = run("data", "k400", tmp_path / "a", "--clips", clips, "-o", tmp_path / "out")
    assert "note: 1 clip is in train.list and in val.list: 0wAiWYDW0k0.mp4 5" in ending.err


def test_folders_of_frames_make_lists_with_counts(tmp_path: Path, run, annotations: Path) -> None:
    clips = tmp_path / "frames"
    frame_folder(clips / "archery" / "0wAiWYDW0k0_000009_000019.mp4", range(1, 251))
    frame_folder(clips / "air_drumming" / "_axE99QAhe8_000026_000036", range(1, 4))
    frame_folder(clips / "zumba" / "_AbCdEfGhI-_1234567_1234577.mp4", [1, 3])
    made = lists(run, annotations, clips, "--format", "frames")
    assert (made / "train.list").read_text() == (
        "archery/0wAiWYDW0k0_000009_000019.mp4 250 5\nair_drumming/_axE99QAhe8_000026_000036 3 1\n"
    )
    found = json.loads((made / "lists.report.json").read_text())["train.list"]
    (line,) = found["unusable"]
    assert "frame number 2 is missing" in line


@pytest.mark.parametrize("name", ["kinetics_val.csv", "kinetics-400-Validation.csv", "val_2.csv"])
def test_the_split_comes_from_the_file_where_no_column_says_it(tmp_path: Path, run, name: str) -> None:
    file = write_csv(tmp_path / name, "archery,x,9,19", header="label,youtube_id,time_start,time_end")
    clips = touch(tmp_path / "videos", "x_000009_000019.mp4")
    assert run("data", "k400", file, "--clips", clips, "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "val.list").read_text() == "x_000009_000019.mp4 5\n"
    assert not (tmp_path / "out" / "train.list").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "train.csv:1: expected the columns"),
        ("youtube_id,time_start,time_end,split\nx,1,2,test\n", "were not published"),
        (f"{HEADER}\narchery,x,9,19,train\n", "train.csv:2: expected 6 fields, got 5"),
        (f"{HEADER}\narchery,x,nine,19,train,0\n", "train.csv:2: time_start is 'nine'"),
        (f"{HEADER}\narchery,x,9,-1,train,0\n", "train.csv:2: time_end is '-1'"),
        (f"{HEADER}\narchery,x,nan,19,train,0\n", "train.csv:2: time_start is 'nan'"),
        (f"{HEADER}\narchery,x,1e999,19,train,0\n", "train.csv:2: time_start is '1e999'"),
        (f"{HEADER}\narchery,,9,19,train,0\n", "train.csv:2: its youtube_id is empty"),
        (f"{HEADER}\narchery,../x,9,19,train,0\n", "which names no file"),
        (f"{HEADER}\narchery,x,9,19,holdout,0\n", "train.csv:2: its split is 'holdout'"),
        (f'{HEADER}\n"archery,x,9,19,train,0\n', "is no CSV"),
        (f"{HEADER}\nacting in play,x,9,19,train,0\narchery,y,9,19,train,0\n", "1 of the 2 classes"),
        (f"{HEADER}\n", "annotations: name no clip; take whole files"),
    ],
)
def test_what_is_no_annotation_file_is_one_line(tmp_path: Path, run, text: str, complaint: str) -> None:
    (tmp_path / "train.csv").write_text(text)
    clips = touch(tmp_path / "videos", "x.mp4")
    ending = run("data", "k400", tmp_path / "train.csv", "--clips", clips, "-o", tmp_path / "out")
    assert ending.code == 1
    assert len(ending.err.splitlines()) == 1
    assert complaint in ending.err
    assert not (tmp_path / "out").exists()


def test_a_test_set_without_classes_in_the_folder_is_left_out_and_told(
    tmp_path: Path, run, annotations: Path
) -> None:
    write_csv(annotations / "test.csv", "x,1,2,test", header="youtube_id,time_start,time_end,split")
    clips = touch(tmp_path / "videos", "0wAiWYDW0k0.mp4", "RpqgUQBrjc8.mp4")
    ending = run("data", "k400", annotations, "--clips", clips, "-o", tmp_path / "out")
    assert ending.code == 0
    assert f"{annotations / 'test.csv'}: left out, as it has no column `label`: the classes" in ending.err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.list")) == ["train.list", "val.list"]
    for name in ("train.csv", "val.csv"):
        (annotations / name).unlink()
    ending = run("data", "k400", annotations, "--clips", clips, "-o", tmp_path / "again")
    assert (ending.code, (tmp_path / "again").exists()) == (1, False)
    assert f"{annotations}: holds no CSV file with classes" in ending.err.splitlines()[-1]


@pytest.mark.parametrize(("classes", "year"), [(600, "Kinetics-600"), (700, "Kinetics-700")])
def test_annotation_files_of_another_year_are_refused(tmp_path: Path, run, classes: int, year: str) -> None:
    """Of the later sets most classes are those of the first, with other numbers."""
    names = [*kinetics400()[:369], *(f"new class {number}" for number in range(classes - 369))]
    file = write_csv(tmp_path / "train.csv", *(f'"{name}",x,1,11,train,0' for name in names))
    ending = run("data", "k400", file, "--clips", tmp_path, "-o", tmp_path / "out")
    assert ending.code == 1
    assert f"{classes - 369} of the {classes} classes that it names are not Kinetics-400's" in ending.err
    assert f"it seems to be of {year}" in ending.err


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--clips", "nowhere"], 1, "nowhere: cannot be read"),
        (["--clips", "annotations"], 1, "holds no video"),
        (["--clips", "videos", "--format", "frames"], 1, "holds no folder of frames"),
        (["--clips", "videos", "--format", "pictures"], 2, "unknown format 'pictures'"),
        (["--clips", "videos", "--prefix", "annotations"], 2, "does not hold the clips"),
    ],
)
def test_folders_that_do_not_fit_are_one_line(
    tmp_path: Path, run, annotations: Path, monkeypatch, arguments: list[str], code: int, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "videos", "0wAiWYDW0k0.mp4")
    ending = run("data", "k400", annotations, "-o", "out", *arguments)
    assert ending.code == code
    assert len(ending.err.splitlines()) == 1
    assert complaint in ending.err
    assert not (tmp_path / "out").exists()


def test_a_name_that_no_line_can_hold_is_told(tmp_path: Path, run, annotations: Path) -> None:
    clips = touch(tmp_path / "videos", "air\ndrumming/_axE99QAhe8_000026_000036.mp4", "0wAiWYDW0k0.mp4")
    ending = run("data", "k400", annotations, "--clips", clips, "-o", tmp_path / "out")
    assert ending.code == 0
    assert (tmp_path / "out" / "train.list").read_text() == "0wAiWYDW0k0.mp4 5\n"
    assert "1 cannot be listed" in ending.out


def test_folders_that_are_links_are_looked_into_once(tmp_path: Path, run, annotations: Path) -> None:
    touch(tmp_path / "elsewhere", "0wAiWYDW0k0.mp4")
    clips = touch(tmp_path / "videos", "_axE99QAhe8.mp4")
    (clips / "more").symlink_to(tmp_path / "elsewhere")
    (clips / "round").symlink_to(clips)
    made = lists(run, annotations, clips)
    assert (made / "train.list").read_text() == "more/0wAiWYDW0k0.mp4 5\n_axE99QAhe8.mp4 1\n"


@pytest.mark.parametrize("full_at", range(4))
def test_a_full_disk_leaves_all_lists_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    def write(line: str) -> None:
        write_lists(tmp_path, {"train.list": ClipList([line]), "val.list": ClipList([line])}, ["a", "b"])

    write("old.mp4 0")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    left, original = full_at, Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left"):
        write("new.mp4 0")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
