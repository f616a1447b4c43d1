import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import atomic_file, atomic_folder, lines_of, require_writable, sha256_of, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.mkdir()
    (target / "old").touch()
    with atomic_folder(target) as temporary:
        (temporary / "new").touch()
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["export"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError), atomic_folder(target) as temporary:
        (temporary / "new").touch()
        raise RuntimeError
    assert names(target) == ["old"]
    assert names(tmp_path) == ["export"]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
@pytest.mark.parametrize("there", ["", "a", "a/b"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_folder_above(
    tmp_path: Path,
    make: Callable[[Path], AbstractContextManager[Path]],
    there: str,
    error: type[BaseException],
) -> None:
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error), make(tmp_path / "a" / "b" / "c"):
        raise error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("below", ["", "/checkpoint/weights"])
def test_an_error_names_no_temporary_folder(tmp_path: Path, below: str) -> None:
    with pytest.raises(InputError) as caught, atomic_folder(tmp_path / "run") as folder:
        raise InputError(f"{folder}{below}", "cannot be written")
    assert caught.value.thing == f"{tmp_path / 'run'}{below}"
    with pytest.raises(InputError, match="clip"), atomic_folder(tmp_path / "run"):
        raise InputError("clip.mp4", "cannot be read")


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"file/a\.txt: cannot be written"),
        atomic_file(tmp_path / "file" / "a.txt"),
    ):
        pass
    with pytest.raises(InputError, match="is a folder, expected a file"), atomic_file(tmp_path):
        pass
    with pytest.raises(InputError, match="is a file, expected a folder"), atomic_folder(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="cannot be written"), atomic_folder(tmp_path / "file" / "export"):
        pass


@pytest.mark.parametrize("place", ["pipe", "link"])
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(InputError, match=rf"{place}: is no regular file; name a file"):
        require_writable(tmp_path / place)
    with pytest.raises(InputError, match=rf"{place}: is no regular file; name a file"):
        write_text(tmp_path / place, "abc")
    assert (tmp_path / "pipe").is_fifo()


def test_the_digest_of_a_text(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_folder(tmp_path / "link") as temporary:
        (temporary / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == ["new"]
    assert names(tmp_path) == ["link", "real"]


def test_a_disk_that_fills_on_the_way_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written \(No space left"),
        atomic_file(tmp_path / "a.txt"),
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(InputError, match=r"b: cannot be written \(No space left"), atomic_folder(tmp_path / "b"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_a_library_that_says_something_else_of_a_full_disk_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    with pytest.raises(RuntimeError, match="no tensor"), write(tmp_path / "a"):
        raise RuntimeError("no tensor")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    with (
        pytest.raises(InputError, match=r"a: cannot be written \(No space left on device\)"),
        write(tmp_path / "a"),
    ):
        raise RuntimeError("no tensor")
    with pytest.raises(InputError, match="b: is empty"), write(tmp_path / "a"):
        raise InputError("b", "is empty")
    assert names(tmp_path) == []


def test_a_list_may_be_long_or_come_through_a_pipe_but_not_be_endless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptsn.runtime.base.files._MOST_LIST_BYTES", 3_000_000)
    lines = ["clip.mp4"] * 333_000
    (tmp_path / "a.txt").write_text("\n".join(lines))
    assert lines_of(tmp_path / "a.txt") == lines
    (tmp_path / "a.txt").write_text("\n".join(lines + lines))
    for endless in (tmp_path / "a.txt", "/dev/zero"):
        with pytest.raises(OSError, match="more than 3000000 bytes"):
            lines_of(endless)
    reading, writing = os.pipe()
    try:
        os.write(writing, b"\xef\xbb\xbfone.mp4\r\ntwo.mp4")
        os.close(writing)
        assert lines_of(f"/dev/fd/{reading}") == ["one.mp4", "two.mp4"]
    finally:
        os.close(reading)
