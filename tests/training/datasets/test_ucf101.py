"""`pptsn data ucf101`: the lists of the original tools, from the published annotation files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pptsn.runtime.model.labels import read_labels
from tests.training.datasets.annotated import frame_folder, touch, write_ucf101

CLASSES = ("ApplyEyeMakeup", "Archery", "HandstandPushups", *(f"Class{n}" for n in range(4, 102)))
LISTS = {
    "trainlist01.txt": (
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\n"
        "Archery/v_Archery_g08_c01.avi 2\n"
        "HandstandPushups/v_HandStandPushups_g08_c01.avi 3\n"
    ),
    "testlist01.txt": "Archery/v_Archery_g01_c01.avi\nApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\n",
    "trainlist02.txt": "Archery/v_Archery_g01_c01.avi 2\n",
    "testlist02.txt": "Archery/v_Archery_g08_c01.avi\n",
    "trainlist03.txt": "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1\n",
    "testlist03.txt": "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi\n",
}
CLIPS = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
    "Archery/v_Archery_g08_c01.avi",
    "Archery/v_Archery_g01_c01.avi",
    "HandstandPushups/v_HandStandPushups_g08_c01.avi",
)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    return write_ucf101(tmp_path / "annotations", CLASSES, LISTS)


def test_the_lists_of_all_three_splits_are_those_of_the_original_tools(
    tmp_path: Path, run, annotations: Path
) -> None:
    ending = run("data", "ucf101", annotations, "--clips", touch(tmp_path / "v", *CLIPS), "-o", tmp_path / "out")
    assert (ending.code, ending.err) == (0, "")
    eye, eye_test, archery, archery_test, handstand = CLIPS
    assert {path.name: path.read_text() for path in (tmp_path / "out").glob("ucf101_*")} == {
        "ucf101_train_split_1_videos.txt": f"{eye} 0\n{archery} 1\n{handstand} 2\n",
        "ucf101_val_split_1_videos.txt": f"{archery_test} 1\n{eye_test} 0\n",
        "ucf101_train_split_2_videos.txt": f"{archery_test} 1\n",
        "ucf101_val_split_2_videos.txt": f"{archery} 1\n",
        "ucf101_train_split_3_videos.txt": f"{eye_test} 0\n",
        "ucf101_val_split_3_videos.txt": f"{eye} 0\n",
    }
    assert read_labels(tmp_path / "out" / "labels.txt") == CLASSES


def test_folders_of_frames_make_lists_with_counts(tmp_path: Path, run, annotations: Path) -> None:
    for name in CLIPS:
        frame_folder(tmp_path / "f" / name.removesuffix(".avi"), range(1, 30))
    ending = run(
        "data", "ucf101", annotations, "--clips", tmp_path / "f", "-o", tmp_path / "out", "--format", "frames"
    )
    assert ending.code == 0
    assert (tmp_path / "out" / "ucf101_val_split_1_rawframes.txt").read_text() == (
        "Archery/v_Archery_g01_c01 29 1\nApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01 29 0\n"
    )


def test_missing_and_renamed_clips_are_counted_and_named(tmp_path: Path, run, annotations: Path) -> None:
    clips = touch(
        tmp_path / "v", "v_Archery_g08_c01.mp4", "HandstandPushups/v_HandstandPushups_g08_c01.avi", "Archery/x.avi"
    )
    ending = run("data", "ucf101", annotations, "--clips", clips, "-o", tmp_path / "out")
    assert ending.code == 0
    assert (tmp_path / "out" / "ucf101_train_split_1_videos.txt").read_text() == (
        "v_Archery_g08_c01.mp4 1\nHandstandPushups/v_HandstandPushups_g08_c01.avi 2\n"
    )
    report = json.loads((tmp_path / "out" / "lists.report.json").read_text())
    found = report["ucf101_train_split_1_videos.txt"]
    assert found["missing"] == ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01"]
    assert found["renamed"] == {
        "HandstandPushups/v_HandStandPushups_g08_c01": "HandstandPushups/v_HandstandPushups_g08_c01.avi"
    }


def test_another_number_of_classes_is_told(tmp_path: Path, run) -> None:
    annotations = write_ucf101(tmp_path / "a", CLASSES[:50], {"trainlist01.txt": LISTS["trainlist01.txt"]})
    ending = run("data", "ucf101", annotations, "--clips", touch(tmp_path / "v", *CLIPS), "-o", tmp_path / "out")
    assert ending.code == 0
    assert "names 50 classes, UCF-101 has 101" in ending.err


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("classInd.txt", "", "classInd.txt: names no class"),
        ("classInd.txt", "0 ApplyEyeMakeup\n", "classInd.txt:1: expected `1 NAME`"),
        ("classInd.txt", "1 A\n3 B\n", "classInd.txt:2: expected `2 NAME`"),
        ("classInd.txt", "1 A\n2 A\n", "classInd.txt:2: names A a second time"),
        ("trainlist02.txt", "Archery/v_Archery_g01_c01.avi 3\n", "gives Archery the number 3, classInd.txt 2"),
        ("trainlist02.txt", "Archery/v_Archery_g01_c01.avi 2 x\n", "trainlist02.txt:1: expected `CLASS/"),
        ("testlist03.txt", "\nDancing/v_Dancing_g01_c01.avi\n", "testlist03.txt:2: its class Dancing is not in"),
        ("testlist03.txt", "v_Archery_g01_c01.avi\n", "testlist03.txt:1: expected `CLASS/"),
        ("testlist01.txt", None, "testlist01.txt: cannot be read"),
    ],
)
def test_what_is_no_annotation_file_is_one_line(
    tmp_path: Path, run, annotations: Path, file: str, text: str | None, complaint: str
) -> None:
    if text is None:
        (annotations / file).unlink()
    else:
        (annotations / file).write_text(text)
    ending = run("data", "ucf101", annotations, "--clips", touch(tmp_path / "v", *CLIPS), "-o", tmp_path / "out")
    assert ending.code == 1
    assert len(ending.err.splitlines()) == 1
    assert complaint in ending.err
    assert not (tmp_path / "out").exists()
