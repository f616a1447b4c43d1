from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.benchmarks.sweep.clips import Clip, name_of, read_clips
from pptsn.runtime.base.errors import InputError, UsageError


def named(clips: tuple[Clip, ...]) -> list[tuple[str, int | None]]:
    return [(Path(clip.path).name, clip.label) for clip in clips]


def test_a_list_with_labels_keeps_them_and_paths_become_absolute(clips_folder: Path) -> None:
    clips = read_clips(clips_folder / "test.txt")
    assert named(clips)[3:] == [("pale.mp4", 0), ("broken.mp4", 1)]
    assert all(Path(clip.path).is_absolute() for clip in clips)


def test_a_list_of_paths_and_a_folder_have_no_labels(clips_folder: Path) -> None:
    assert named(read_clips(clips_folder / "paths.txt"))[0] == ("red.mp4", None)
    assert {label for _, label in named(read_clips(clips_folder))} == {None}
    assert len(read_clips(clips_folder)) == 6


def test_a_file_whose_name_ends_in_a_number_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "clip 3").write_bytes(b"")
    (tmp_path / "list.txt").write_text("clip 3\n")
    assert named(read_clips(tmp_path / "list.txt")) == [("clip 3", None)]


def test_the_first_clip_of_a_labelled_list_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("none.mp4 3\nnone either.mp4 4\n")
    assert named(read_clips(tmp_path / "list.txt")) == [("none.mp4", 3), ("none either.mp4", 4)]


def test_a_line_without_its_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.mp4 3\nb.mp4\n")
    with pytest.raises(InputError, match=r"list\.txt:2: expected `path label`"):
        read_clips(tmp_path / "list.txt")


def test_folders_of_frames_keep_their_number(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "list.txt").write_text("frames 12 3\n")
    (clip,) = read_clips(tmp_path / "list.txt")
    assert (clip.frames, clip.label) == (12, 3)


def test_a_limit_takes_clips_evenly_spread(clips_folder: Path) -> None:
    assert [name for name, _ in named(read_clips(clips_folder / "test.txt", limit=2))] == ["red.mp4", "blue.mp4"]
    with pytest.raises(UsageError, match="--limit"):
        read_clips(clips_folder / "test.txt", limit=0)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_list_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"list\.txt"):
        read_clips(path)


def test_the_name_of_clips_tells_lists_apart_wherever_they_lie() -> None:
    clips = [Clip("/a/1.mp4", label=0), Clip("/a/2.mp4", label=1)]
    assert name_of(clips) == name_of([Clip("/b/1.mp4", label=0), Clip("/b/2.mp4", label=1)])
    assert name_of(clips).startswith("2 #")
    assert name_of(clips) != name_of([Clip("/a/1.mp4", label=0), Clip("/a/2.mp4", label=2)])
    assert name_of(clips) != name_of(list(reversed(clips)))
