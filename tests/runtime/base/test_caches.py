from __future__ import annotations

import os
from pathlib import Path

import pytest

from pptsn.runtime.base.caches import FileCache, cache_folder


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path / "kept", entries=3, size=1000)


def used(folder: Path, key: str, seconds: float) -> None:
    """Let the entry seem to have been used then."""
    os.utime(folder / key, (seconds, seconds))


def test_what_is_kept_comes_back(cache: FileCache) -> None:
    cache.store("a", b"some bytes")
    found = cache.load("a")
    assert found is not None
    assert found.tobytes() == b"some bytes"
    assert cache.load("b") is None


def test_what_is_written_into_it_changes_nothing_kept(cache: FileCache) -> None:
    cache.store("a", b"some bytes")
    found = cache.load("a")
    assert found is not None
    found[:] = 0
    again = cache.load("a")
    assert again is not None
    assert again.tobytes() == b"some bytes"


def test_those_unused_for_longest_go_first(cache: FileCache, tmp_path: Path) -> None:
    for seconds, key in enumerate("abc"):
        cache.store(key, b"x")
        used(tmp_path / "kept", key, seconds)
    cache.load("a")
    cache.store("d", b"x")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["a", "c", "d"]


def test_their_bytes_are_bounded(cache: FileCache, tmp_path: Path) -> None:
    cache.store("a", bytes(600))
    used(tmp_path / "kept", "a", 0)
    cache.store("b", bytes(500))
    assert cache.load("a") is None
    assert cache.load("b") is not None
    cache.store("c", bytes(1001))
    assert cache.load("c") is None
    assert cache.load("b") is not None


def test_folders_count_with_what_they_hold(cache: FileCache, tmp_path: Path) -> None:
    for seconds, key in enumerate("ab"):
        folder = cache.subfolder(key)
        assert folder is not None
        (folder / "deep").mkdir()
        (folder / "deep" / "kernels").write_bytes(bytes(600))
        used(tmp_path / "kept", key, seconds)
    cache.store("c", b"x")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["b", "c"]
    assert cache.subfolder("b") == tmp_path / "kept" / "b"  # used just now, so that it goes last
    assert (tmp_path / "kept" / "b" / "deep" / "kernels").stat().st_size == 600
    for key in "de":
        assert cache.subfolder(key) is not None
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["b", "d", "e"]


def test_a_folder_that_outgrew_the_cache_is_emptied(cache: FileCache) -> None:
    folder = cache.subfolder("a")
    assert folder is not None
    (folder / "kernels").write_bytes(bytes(1001))
    assert cache.subfolder("a") == folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 5, 31, 33, 400])
def test_a_damaged_entry_is_as_good_as_none(cache: FileCache, tmp_path: Path, cut: int) -> None:
    cache.store("a", bytes(range(250)) * 2)
    entry = tmp_path / "kept" / "a"
    entry.write_bytes(entry.read_bytes()[:cut])
    assert cache.load("a") is None
    cache.store("a", b"new")
    assert cache.load("a") is not None


def test_every_flipped_byte_is_found(cache: FileCache, tmp_path: Path) -> None:
    cache.store("a", bytes(20))
    entry = tmp_path / "kept" / "a"
    whole = entry.read_bytes()
    for position in range(len(whole)):
        entry.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert cache.load("a") is None


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = FileCache(tmp_path / "file" / "kept", entries=3, size=1000)
    cache.store("a", b"x")
    assert cache.load("a") is None
    assert cache.subfolder("b") is None


@pytest.mark.parametrize(
    ("variables", "folder"),
    [({"XDG_CACHE_HOME": "/x"}, "/x/pptsn/name"), ({"HOME": "/h"}, "/h/.cache/pptsn/name")],
)
def test_its_place_is_the_users_own(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder("name")) == folder


def test_without_a_home_it_is_among_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder("name") == tmp_path / "pptsn" / "name"
