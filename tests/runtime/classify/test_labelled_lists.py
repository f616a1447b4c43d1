"""Training lists where sources are listed: which lists are some, and what is wrong with half of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.classify.sources import expand_clips, expand_sources
from pptsn.runtime.decoding.clips import Excerpt, Labelled
from tests.runtime.classify.test_sources import relative


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.mp4",
        "b 7.mp4",
        "take 2",
        "deep/c.webm",
        "frames/img_00001.jpg",
        "x y/img_00001.jpg",
        "._a.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def listed(tree: Path, *lines: str, classes: int | None = None) -> list[object]:
    (tree / "list.txt").write_text("".join(f"{line}\n" for line in lines))
    found = []
    for each in expand_clips([f"@{tree / 'list.txt'}"], classes=classes):
        if isinstance(each, Labelled):
            source = each.source
            path = Path(source.path if isinstance(source, Excerpt) else str(source)).relative_to(tree)
            frames = (source.frames,) if isinstance(source, Excerpt) else ()
            found.append((str(path), *frames, each.label))
        else:
            found.append(each)
    return found


def test_lines_of_a_path_and_a_label_are_labelled_clips(tree: Path) -> None:
    lines = ("# two classes", "a.mp4 1", "", "  b 7.mp4   0 ", f"{tree}/deep/c.webm\t1", "frames 0")
    assert listed(tree, *lines) == [("a.mp4", 1), ("b 7.mp4", 0), ("deep/c.webm", 1), ("frames", 0)]


def test_lines_of_a_folder_its_frames_and_a_label_are_too(tree: Path) -> None:
    assert listed(tree, "frames 25 1", "x y 3 0", "gone 2 1") == [("frames", 25, 1), ("x y", 3, 0), ("gone", 2, 1)]


@pytest.mark.parametrize("lines", [("a.mp4 1", "gone 0"), ("gone.mp4 0", "what 3")])
def test_a_clip_that_is_gone_keeps_its_label(tree: Path, lines: tuple[str, ...]) -> None:
    assert listed(tree, *lines) == [(name, int(label)) for name, label in map(str.split, lines)]


@pytest.mark.parametrize(
    "lines",
    [
        ("a.mp4 copy", "a.mp4"),
        ("a.mp4 copy", "gone"),
        ("deep copy",),
        ("a.mp4", "deep/c.webm"),
        ("take 2",),
        ("take 2", "a.mp4"),
        ("gone 3",),
        ("*.mp4",),
        ("deep",),
    ],
)
def test_a_list_without_labels_is_what_it_was(tree: Path, lines: tuple[str, ...]) -> None:
    assert listed(tree, *lines) == expand_sources([f"@{tree / 'list.txt'}"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ("a.mp4 1", "b 7.mp4"),
            r"list\.txt:2: has no label behind the source, unlike 1 other line of the list; give",
        ),
        (
            ("a.mp4", "b 7.mp4 0", "deep/c.webm 1"),
            r"list\.txt:1: has no label .* unlike 2 other lines of the list",
        ),
        (("a.mp4 1", "take 2"), r"list\.txt:2: has no label"),
        (("a.mp4 1", "deep/*.webm"), r"list\.txt:2: has no label"),
        (("a.mp4 1", "b 7.mp4 -1"), r"list\.txt:2: has no label"),
        (
            ("a.mp4 1", "# no", "b 7.mp4 2"),
            r"list\.txt:3: label 2 is out of range, expected 0 to 1; correct the line",
        ),
        (
            ("frames 5 1", "a.mp4 0"),
            r"list\.txt:2: is no line `directory frame_count label`, unlike the first one",
        ),
        (("frames 5 1", "http://u:secret@h/x 0"), r"list\.txt:2: is no line `directory frame_count label`"),
        (
            ("a.mp4 0", "frames 5 1"),
            r"list\.txt:2: is no line `path label`, unlike the first one with a label; make",
        ),
        (("frames 0 1",), r"list\.txt:1: frame count is 0, expected 1 or more"),
        (
            ("# mine", "a.mp4 blue disc", "b 7.mp4 run"),
            r"list\.txt:2: has 'blue disc' behind the source, expected the number of its class, or nothing; write",
        ),
        (("a.mp4,7", "b 7.mp4 ; 1"), r"list\.txt:1: has ',7' behind the source"),
        (("a.mp4\trun",), r"list\.txt:1: has 'run' behind"),
        (("a.mp4 ²",), r"list\.txt:1: has '²' behind"),
    ],
)
def test_half_a_training_list_is_one_line(tree: Path, lines: tuple[str, ...], message: str) -> None:
    (found,) = listed(tree, *lines, classes=2)
    assert isinstance(found, InputError)
    assert str(found).startswith(f"@{tree}")
    assert "secret" not in str(found)
    with pytest.raises(InputError, match=message):
        raise found


def test_other_lists_and_sources_go_on(tree: Path) -> None:
    (tree / "half.txt").write_text("a.mp4 1\na.mp4\n")
    (tree / "whole.txt").write_text("a.mp4 1\n")
    found = expand_clips([f"@{tree / 'half.txt'}", f"@{tree / 'whole.txt'}", str(tree / "a.mp4")])
    assert [type(each) for each in found] == [InputError, Labelled, str]


def test_files_of_a_system_are_left_out_of_training_lists_too(tree: Path) -> None:
    (tree / "Thumbs.db").touch()
    notes: list[str] = []
    (tree / "list.txt").write_text("a.mp4 1\n._a.mp4 1\nThumbs.db 1\n")
    (found,) = expand_clips([f"@{tree / 'list.txt'}"], note=notes.append)
    assert relative([found.source], tree) == ["a.mp4"]
    assert len(notes) == 2
    assert "._a.mp4" in notes[0]
    assert "1 of a system's own files left out" in notes[1]


def test_lists_of_yaml_and_json_may_have_labels(tree: Path) -> None:
    for name, text in (("list.yaml", "- a.mp4 1\n- b 7.mp4 0\n"), ("list.json", '["a.mp4 1", "b 7.mp4 0"]')):
        (tree / name).write_text(text)
        assert [each.label for each in expand_clips([f"@{tree / name}"])] == [1, 0]


def test_files_of_web_servers_have_labels_and_other_addresses_are_told(tree: Path) -> None:
    (tree / "list.txt").write_text("https://u:secret@host/a.mp4?x=1 1\nrtsp://u:secret@host/live 0\na.mp4 0\n")
    web, camera, local = expand_clips([f"@{tree / 'list.txt'}"])
    assert isinstance(web, Labelled)
    assert (str(web.source), web.label) == ("https://host/a.mp4?x=1", 1)
    assert isinstance(camera, InputError)
    assert str(camera).startswith("rtsp://host: is no file, and no address of one")
    assert isinstance(local, Labelled)
