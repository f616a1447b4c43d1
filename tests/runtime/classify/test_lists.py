from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.lists import Sample, evenly, read_any_list, read_list, source_of
from pptsn.runtime.decoding.clips import Excerpt


def write(folder: Path, text: str) -> Path:
    path = folder / "list.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_videos_list_gives_paths_and_labels_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "b.mp4 3\na.mp4 0\n\n")
    assert read_list(path, prefix="/data") == [Sample("/data/b.mp4", 3), Sample("/data/a.mp4", 0)]


def test_a_byte_order_mark_is_no_part_of_the_first_path(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffa.mp4 0\n")
    assert read_list(path, prefix="/data") == [Sample("/data/a.mp4", 0)]


def test_paths_are_relative_to_the_list_where_no_prefix_is_given(tmp_path: Path) -> None:
    assert read_list(write(tmp_path, "a.mp4 0"))[0].path == str(tmp_path / "a.mp4")


def test_paths_can_hold_spaces(tmp_path: Path) -> None:
    path = write(tmp_path, "playing the  harp/clip 1.mp4 7\n")
    assert read_list(path, prefix="/d") == [Sample("/d/playing the  harp/clip 1.mp4", 7)]


def test_a_frames_list_gives_folders_counts_and_labels(tmp_path: Path) -> None:
    path = write(tmp_path, "my frames/v_1 120 5\r\n")
    assert read_list(path, format="frames", prefix="/d") == [Sample("/d/my frames/v_1", 5, 120)]


@pytest.mark.parametrize(
    ("format", "line", "complaint"),
    [
        ("videos", "a.mp4", "expected `path label`"),
        ("videos", "a.mp4 one", "label is 'one'"),
        ("videos", "a.mp4 -1", "label is '-1'"),
        ("videos", "a.mp4 " + "9" * 5000, "label has 5000 digits, expected at most 18"),
        ("videos", "a.mp4 8", "label 8 is out of range, expected 0 to 7"),
        ("frames", "folder 3", "expected `directory frame_count label`"),
        ("frames", "folder many 3", "frame count is 'many'"),
        ("frames", "folder 0 3", "frame count is 0"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, format: str, line: str, complaint: str) -> None:
    good = "a.mp4 0" if format == "videos" else "folder 3 0"
    path = write(tmp_path, f"{good}\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_list(path, format=format, classes=8)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert complaint in str(caught.value)


def test_labels_have_no_bound_where_the_classes_are_not_known(tmp_path: Path) -> None:
    assert read_list(write(tmp_path, "a.mp4 100000"))[0].label == 100000


def test_a_list_that_is_missing_empty_or_no_text_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_list(tmp_path / "none.txt")
    with pytest.raises(InputError, match="is empty"):
        read_list(write(tmp_path, "\n  \n"))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        read_list(tmp_path / "binary.txt")


def test_an_unknown_format_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="videos, frames"):
        read_list(write(tmp_path, "a.mp4 0"), format="csv")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("clip.mp4 3", [("clip.mp4", 3, None)]),
        ("my frames 7 3", [("my frames", 3, 7)]),
        ("my frames\t7\t3", [("my frames", 3, 7)]),
        ("my frames 3", [("my frames", 3, None)]),  # a folder as it is, with all of its frames
        ("take 2 3", [("take 2", 3, None)]),  # a file of that name
        ("gone 9 0\nmy frames 7 3", [("gone", 0, 9), ("my frames", 3, 7)]),
        ("gone 9 0\nclip.mp4 3", [("gone 9", 0, None), ("clip.mp4", 3, None)]),
        ("gone 9 0", [("gone 9", 0, None)]),
        ("clip.mp4 1 3", [("clip.mp4 1", 3, None)]),  # a file is no folder of frames
    ],
)
def test_the_format_of_a_list_is_that_of_its_first_path_that_is_there(
    tmp_path: Path, lines: str, expected: list[tuple[str, int, int | None]]
) -> None:
    for name in ("clip.mp4", "take 2"):
        (tmp_path / name).touch()
    for name in ("my frames", "take"):
        (tmp_path / name).mkdir()
    samples = read_any_list(write(tmp_path, lines))
    assert samples == [Sample(str(tmp_path / name), label, frames) for name, label, frames in expected]


def test_a_bad_line_of_a_frames_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=r"list\.txt:2: expected `directory frame_count label`"):
        read_any_list(write(tmp_path, "a 5 0\na 1\n"))


def test_names_that_the_system_does_not_look_up_leave_the_list_readable(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    long = "x" * 5000
    assert read_any_list(write(tmp_path, f"{long} 4 1"))[0].label == 1
    assert read_any_list(write(tmp_path, f"{long} 4 1\na 2 1"))[1].frames == 2


def test_a_sample_becomes_a_source(tmp_path: Path) -> None:
    assert source_of(Sample("a.mp4", 1)) == "a.mp4"
    assert source_of(Sample("a", 1, 7)) == Excerpt(Path("a"), 7)


def test_items_are_chosen_evenly() -> None:
    assert evenly(range(10), 4) == [0, 2, 5, 7]
    assert evenly("abc", 5) == ["a", "b", "c"]
    assert evenly("", 5) == []


def test_companions_of_other_systems_are_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a.mp4 0\n._a.mp4 0\n@eaDir/a.mp4 1\nb.mp4 1\n")
    notes: list[str] = []
    samples = read_list(path, note=notes.append)
    assert [Path(sample.path).name for sample in samples] == ["a.mp4", "b.mp4"]
    assert notes == [f"{path}: 2 of a system's own files left out: {tmp_path}/._a.mp4, {tmp_path}/@eaDir/a.mp4"]
