from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.sources import expand_sources


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.AVI", "notes.txt", "deep/c.webm", "frames/img_00001.jpg", "odd[1].mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def relative(sources: list[str], root: Path) -> list[str]:
    return [str(Path(source).relative_to(root)) for source in sources]


def test_a_folder_means_all_videos_below_in_order(tree: Path) -> None:
    assert relative(expand_sources([str(tree)]), tree) == ["a.AVI", "b.mp4", "deep/c.webm", "odd[1].mp4"]


def test_a_folder_without_videos_means_itself(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "frames")]), tree) == ["frames"]


def test_patterns_mean_what_they_match(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "*.mp4")]), tree) == ["b.mp4", "odd[1].mp4"]
    assert relative(expand_sources([str(tree / "**" / "*.webm")]), tree) == ["deep/c.webm"]
    assert relative(expand_sources([str(tree / "d*")]), tree) == ["deep/c.webm"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "odd[1].mp4")]), tree) == ["odd[1].mp4"]


def test_what_matches_nothing_stays_to_be_reported(tree: Path) -> None:
    assert relative(expand_sources([str(tree / "none.mp4"), str(tree / "*.mkv")]), tree) == ["none.mp4", "*.mkv"]


def test_a_list_names_sources_relative_to_itself(tree: Path) -> None:
    (tree / "my list.txt").write_text(f"# clips\nb.mp4\n\n  deep  \n{tree}/a.AVI\n")
    sources = expand_sources([f"@{tree / 'my list.txt'}"])
    assert relative(sources, tree) == ["b.mp4", "deep/c.webm", "a.AVI"]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe", None])
def test_a_useless_list_is_an_error_in_its_place(tree: Path, content: bytes | None) -> None:
    if content is not None:
        (tree / "list").write_bytes(content)
    before, error, after = expand_sources([str(tree / "b.mp4"), f"@{tree / 'list'}", str(tree / "a.AVI")])
    assert relative([before, after], tree) == ["b.mp4", "a.AVI"]
    assert isinstance(error, InputError)
    assert str(error).startswith(f"@{tree / 'list'}: the list ")


def test_a_name_too_long_to_exist_stays_to_be_reported(tree: Path) -> None:
    assert expand_sources(["a" * 300]) == ["a" * 300]


def test_no_source_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no source given"):
        expand_sources([])
