from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pptsn.runtime.base import temporary
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import atomic_file, atomic_folder
from pptsn.runtime.base.temporary import clear_leftovers, lock_file, remove_temporaries, temporary_folder

ROOT = Path(__file__).parents[3]

# Makes one temporary of each kind, one within another, says so, and waits.
HOLDING = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from pptsn.runtime.base.files import atomic_file, atomic_folder
from pptsn.runtime.base.temporary import folder_until_exit, temporary_folder

place = Path(sys.argv[1])
with ExitStack() as stack:
    stack.enter_context(atomic_file(place / "model.onnx")).write_text("half")
    inner = stack.enter_context(atomic_folder(place / "export")) / "inner.txt"
    stack.enter_context(atomic_file(inner)).write_text("half")
    (stack.enter_context(temporary_folder()) / "half").touch()
    (folder_until_exit() / "socket").touch()
    print("made", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for outputs, which is the one of the system's temporary files as well."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextmanager
def holder(place: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDING, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            yield child
        finally:
            child.kill()


def test_what_a_killed_process_leaves_is_removed_by_the_next_that_writes_there(place: Path) -> None:
    with holder(place):
        assert len(names(place)) == 4
    assert len(names(place)) == 4
    with atomic_file(place / "other.txt"):
        pass
    assert names(place) == ["other.txt"]


def test_the_folder_of_temporary_files_is_cleared_by_the_next_that_needs_it(place: Path) -> None:
    with holder(place):
        pass
    with temporary_folder() as folder:
        assert names(place) == [folder.name]
    assert names(place) == []


def test_what_a_live_process_holds_stays(place: Path) -> None:
    with holder(place):
        before = names(place)
        clear_leftovers(place)
        assert names(place) == before


def test_what_this_process_holds_stays(place: Path) -> None:
    with atomic_folder(place / "a") as first, atomic_file(place / "b") as second, temporary_folder() as third:
        clear_leftovers(place)
        assert names(place) == sorted([first.name, second.name, third.name])
    assert names(place) == ["a", "b"]


def test_other_files_are_no_leftovers(place: Path) -> None:
    other = [
        "notes.tmp-1-00000000",
        ".b.tmp",
        ".b.tmp-x-00000000",
        ".b.tmp-1-0000",
        "pptsn-models",
        "pymp-abcdefgh",
    ]
    for name in other:
        (place / name).touch()
    clear_leftovers(place)
    assert names(place) == sorted(other)


def test_leftovers_of_every_kind_go(place: Path) -> None:
    (place / ".file.tmp-1-00000000").touch()
    (place / ".folder.tmp-1-00000000" / "deep").mkdir(parents=True)
    (place / ".link.tmp-1-00000000").symlink_to("nowhere")
    (place / "target").mkdir()
    (place / ".link.tmp-2-00000000").symlink_to("target")
    clear_leftovers(place)
    assert names(place) == ["target"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_was_moved_away_returns_unless_it_was_replaced(place: Path, replaced: bool) -> None:
    (place / ".export.old-1-00000000").mkdir()
    (place / ".export.old-1-00000000" / "old").touch()
    if replaced:
        (place / "export").mkdir()
    clear_leftovers(place)
    assert names(place) == ["export"]
    assert names(place / "export") == ([] if replaced else ["old"])


def test_a_folder_that_cannot_be_replaced_is_back(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "export").mkdir()
    (place / "export" / "old").touch()
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if ".tmp-" in path.name:
            raise OSError(28, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Exception, match="No space left"), atomic_folder(place / "export"):
        pass
    assert names(place) == ["export"]
    assert names(place / "export") == ["old"]


def test_an_end_out_of_order_can_take_all_along(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_held", {})  # this process may need what it holds else
    begun, done = threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(InputError), atomic_file(place / "a"), atomic_folder(place / "b"), temporary_folder():
            begun.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(60)
    assert len(names(place)) == 3
    remove_temporaries()
    assert names(place) == []
    done.set()
    thread.join()


def test_a_fork_leaves_its_parents_files_alone(place: Path) -> None:
    with atomic_file(place / "a") as path:
        child = os.fork()
        if not child:
            remove_temporaries()
            os._exit(0)
        os.waitpid(child, 0)
        assert path.exists()


def test_one_that_was_taken_for_a_leftover_before_it_was_locked_is_made_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, taken = temporary._locked, []

    def lock(path: Path, **how: bool) -> int:
        if not taken:
            taken.append(path)
            path.unlink()
        return locked(path, **how)

    monkeypatch.setattr(temporary, "_locked", lock)
    with atomic_file(place / "a") as path:
        path.write_text("whole")
    assert taken != [path]
    assert (place / "a").read_text() == "whole"
    assert names(place) == ["a"]


def test_a_file_system_without_locks_is_taken_as_it_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(temporary.fcntl, "flock", refuse)
    (place / ".x.tmp-1-00000000").touch()
    with atomic_file(place / "a") as path:
        path.write_text("whole")
    assert names(place) == [".x.tmp-1-00000000", "a"]  # whether somebody holds it cannot be known


def test_a_lock_is_held_by_one_and_gone_with_it(place: Path) -> None:
    path = place / ".lock"
    with lock_file(path):
        assert f"process {os.getpid()} on " in path.read_text()
        with pytest.raises(BlockingIOError), lock_file(path):
            pass
        assert names(place) == [".lock"]
    assert names(place) == []


def test_a_lock_that_a_killed_process_left_holds_nobody_up(place: Path) -> None:
    (place / ".lock").write_text("process 1 on this machine")
    with lock_file(place / ".lock"):
        pass
    assert names(place) == []


def test_a_lock_that_was_removed_on_the_way_is_made_anew(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, turns = temporary._locked, []

    def lock(path: Path, **how: bool) -> int:
        descriptor = locked(path, **how)
        turns.append(path)
        if len(turns) == 1:
            path.unlink()
        if len(turns) == 2:
            path.rename(place / "other")
            path.touch()
        return descriptor

    monkeypatch.setattr(temporary, "_locked", lock)
    with lock_file(place / ".lock"):
        assert (place / ".lock").exists()
    assert len(turns) == 3


@pytest.mark.parametrize("interrupted", ["_locked", "_hold"])
def test_one_whose_making_is_interrupted_is_gone(
    place: Path, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    """Ctrl-C between the making of a folder and the moment from which it is known."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(temporary, interrupted, interrupt)
    with pytest.raises(KeyboardInterrupt), temporary_folder(place / "target"):
        pass
    assert list(place.iterdir()) == []
