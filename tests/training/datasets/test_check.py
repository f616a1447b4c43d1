"""`pptsn data check`: every kind of fault is found, named and, where asked for, left out of a new list."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.training.datasets.check import KINDS
from tests.clips import damage_packets, write_clip, write_sound
from tests.training.clips import counting_folder

INTRA = {"g": "1", "threads": "1"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clips, of which each but two has a fault of its own, called after it."""
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "whole.mp4", frames=12)
    shutil.copy(folder / "whole.mp4", folder / "a copy.mp4")
    write_clip(folder / "short.mp4", frames=2)
    write_clip(folder / "damaged.mp4", frames=30, width=192, height=128, options=INTRA)
    damage_packets(folder / "damaged.mp4", range(0, 30, 3), overwrite=True)
    early = write_clip(folder / "early.mkv", frames=60)
    early.write_bytes(early.read_bytes()[: early.stat().st_size // 2])
    write_sound(folder / "unreadable.mp4")
    (folder / "empty.mp4").touch()
    (folder / "link.mp4").symlink_to("whole.mp4")
    return folder


LINES = (
    "whole.mp4 0",
    "a copy.mp4 1",
    "short.mp4 1",
    "damaged.mp4 1",
    "early.mkv 0",
    "unreadable.mp4 0",
    "empty.mp4 1",
    "missing.mp4 1",
    "./whole.mp4 1",
    "a copy.mp4 3",
    "whole.mp4 one",
    "alone",
    "link.mp4 0",
)
EXPECTED = {
    3: {"short"},
    4: {"damaged"},
    5: {"early"},
    6: {"unreadable"},
    7: {"unreadable"},
    8: {"unreadable"},
    9: {"duplicate"},
    10: {"label", "duplicate"},
    11: {"line"},
    12: {"line"},
    13: {"duplicate"},
}


def write_list(clips: Path, *lines: str) -> Path:
    path = clips / "list.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize("decoders", ["0", "2"])
def test_every_fault_is_found_and_told_with_its_line(run, clips: Path, decoders: str) -> None:
    ending = run("data", "check", write_list(clips, *LINES), "--classes", 3, "--json", "--decoders", decoders)
    assert ending.code == 1
    found = json.loads(ending.out)
    kinds: dict[int, set[str]] = {}
    for finding in found["findings"]:
        kinds.setdefault(finding["line"], set()).add(finding["kind"])
    # What a decoder marks besides, where a file is cut, is its own affair.
    assert kinds.pop(5) - {"damaged"} == EXPECTED[5]
    assert kinds == {line: kind for line, kind in EXPECTED.items() if line != 5}
    assert set().union(*EXPECTED.values()) == set(KINDS)
    assert found["per_class"] == {"0": 4, "1": 6, "3": 1}
    assert found["lines"] == 13
    assert [finding["line"] for finding in found["findings"]] == sorted(f["line"] for f in found["findings"])


def test_a_finding_is_one_line_that_says_what_and_where(run, clips: Path) -> None:
    listed = write_list(clips, *LINES)
    shown = run("data", "check", listed, "--classes", 3).out.splitlines()
    assert f"{listed}:3: {clips / 'short.mp4'}: short: has 2 frames, 3 are taken of each clip" in shown
    assert f"{listed}:9: {clips / 'whole.mp4'}: duplicate: line 1 names it too, with label 0 instead of 1" in shown
    assert f"{listed}:10: {clips / 'a copy.mp4'}: label: label 3 is out of range, expected 0 to 2" in shown
    assert f"{listed}:12: alone: line: expected `path label`, got 'alone'; correct the line" in shown
    (damaged,) = (line for line in shown if ": damaged.mp4: " in line or "/damaged.mp4: " in line)
    assert "of 30 frames came out damaged" in damaged
    (early,) = (line for line in shown if "early.mkv: early: " in line)
    assert "the file ends early" in early
    summary = next(line for line in shown if line.startswith(f"{listed}: "))
    assert summary.startswith(f"{listed}: lines: 13, classes: 3, ")
    assert "2 line, 1 label, 3 duplicate, 3 unreadable" in summary
    assert "1 short" in summary


def test_a_sound_list_has_code_0(run, clips: Path) -> None:
    (clips / "names.txt").write_text("one\ntwo\nthree\n")
    listed = write_list(clips, *LINES[:2])
    ending = run("data", "check", listed, "--labels", clips / "names.txt")
    assert (ending.code, ending.err) == (0, "")
    assert ending.out.splitlines() == [
        f"{listed}: lines: 2, classes: 2, frames decoded: 24; nothing is wrong",
        "        1 one",
        "        1 two",
        "  no clip of 1 of 3 classes: three",
    ]


def test_what_is_dropped_is_not_in_the_new_list_and_the_rest_as_it_was(run, clips: Path, tmp_path: Path) -> None:
    listed, new = write_list(clips, *LINES), tmp_path / "new.list"
    ending = run("data", "check", listed, "--prefix", clips, "--classes", 3, "-o", new)
    assert ending.code == 1, "what is short, damaged and cut off stays"
    assert new.read_text().splitlines() == list(LINES[:5])
    kinds = "line,label,duplicate,unreadable,short"
    ending = run("data", "check", listed, "--prefix", clips, "--classes", 3, "-o", new, "--drop", kinds)
    assert new.read_text().splitlines() == ["whole.mp4 0", "a copy.mp4 1", "damaged.mp4 1", "early.mkv 0"]
    everything = ",".join(KINDS)
    ending = run("data", "check", listed, "--prefix", clips, "--classes", 3, "-o", new, "--drop", everything)
    assert ending.code == 0
    assert new.read_text().splitlines() == ["whole.mp4 0", "a copy.mp4 1"]


def test_a_new_list_elsewhere_is_refused_where_its_paths_would_name_other_files(
    run, clips: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.list"
    listed = write_list(clips, "whole.mp4 0")
    ending = run("data", "check", listed, "-o", new)
    assert ending.code == 2
    assert ending.err.splitlines() == [
        f"pptsn: error: {new}: would not lie where the paths in {listed} are relative to; "
        f"write it to {clips}, or give --prefix {clips}"
    ]
    assert not new.exists()
    assert run("data", "check", listed, "-o", clips / "beside.list").code == 0
    assert run("data", "check", write_list(clips, f"{clips / 'whole.mp4'} 0"), "-o", new).code == 0


def test_folders_of_frames_are_looked_at_too(run, tmp_path: Path) -> None:
    for name, frames in (("whole", 5), ("gap", 5), ("cut", 5), ("short", 2)):
        counting_folder(tmp_path / name, frames=frames)
    (tmp_path / "gap" / "img_00003.jpg").unlink()
    picture = tmp_path / "cut" / "img_00004.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    cv2.imwrite(str(picture), noise)
    picture.write_bytes(picture.read_bytes()[:-800])
    (tmp_path / "none").mkdir()
    lines = ["whole 5 0", "gap 5 0", "cut 5 0", "short 2 0", "whole 6 0", "none 3 0", "whole 0 0"]
    listed = write_list(tmp_path, *lines)
    found = json.loads(run("data", "check", listed, "--format", "frames", "--json").out)
    told = {finding["line"]: (finding["kind"], finding["text"]) for finding in found["findings"]}
    assert set(told) == {2, 3, 4, 5, 6, 7}
    assert told[2] == ("unreadable", "frame number 3 is missing; extract the frames again")
    assert told[3] == ("damaged", "1 picture is cut short, of 5 read")
    assert told[4][0] == "short"
    assert told[5][0] == "duplicate"
    assert "empty folder" in told[6][1]
    assert told[7] == ("line", "frame count is 0, expected 1 or more; correct the line")


def test_a_clip_that_training_would_refuse_as_damaged_is_unreadable(run, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mp4", frames=30, width=192, height=128, options=INTRA)
    damage_packets(path, range(30), overwrite=True)
    ending = run("data", "check", write_list(tmp_path, "x.mp4 0"))
    assert re.search(r": unreadable: (29|30) of 30 frames came out damaged", ending.out)


def test_a_folder_with_fewer_frames_than_listed_is_told(run, tmp_path: Path) -> None:
    counting_folder(tmp_path / "x", frames=5)
    ending = run("data", "check", write_list(tmp_path, "x 6 0"), "--format", "frames")
    assert ending.code == 1
    assert "x: unreadable: has 5 frames, the list says 6; correct the list or the folder" in ending.out


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["none.txt"], 1, "none.txt: cannot be read"),
        (["blank.txt"], 1, "blank.txt: is empty"),
        (["list.txt", "--format", "films"], 2, "unknown format 'films'"),
        (
            ["list.txt", "-o", "new.txt", "--drop", "ugly"],
            2,
            "--drop: unknown kind 'ugly'; choose some of",
        ),
        (["list.txt", "-o", "new.txt", "--drop", ""], 2, "--drop: is empty"),
        (["list.txt", "--drop", "ugly"], 2, "--drop: unknown kind 'ugly'; choose some of"),
        (["list.txt", "--drop", "short"], 2, "--drop: says what a new list leaves out, and none is written; give"),
        (["list.txt", "-o", "list.txt"], 2, "list.txt is an input as well"),
        (["list.txt", "-o", "."], 1, "is a folder, expected a file name"),
        (["list.txt", "--labels", "blank.txt"], 1, "holds no class names"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(clips / "whole.mp4", tmp_path)
    write_list(tmp_path, "whole.mp4 0")
    (tmp_path / "blank.txt").write_text("\n \n")
    ending = run("data", "check", *arguments)
    assert ending.code == code
    assert len(ending.err.splitlines()) == 1
    assert complaint in ending.err
    assert not (tmp_path / "new.txt").exists()
