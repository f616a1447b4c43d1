"""Temporary files and folders, of which nothing stays for long, however their process ends.

Each has a hidden name of one form, and is locked by the process that made it; the system undoes the lock when
that process has gone.  So one that nobody holds is a leftover, and whoever next makes a temporary in that folder
removes it.  A lock, as the number of the process in the name means nothing in another container.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = re.compile(r"\.(?P<of>.+)\.(?P<purpose>tmp|old)-\d+-[0-9a-f]{8}")
# What this process holds: the paths, with the descriptors that lock them, and its number, as a fork has the list
# and not the files.
_held: dict[tuple[int, Path], int] = {}
_changing = threading.Lock()


def hidden_sibling(path: Path, purpose: str) -> Path:
    """Return a hidden, unused name in the folder of `path`, so that a rename stays within one file system.

    purpose: "tmp": what is removed when its process has gone; "old": what was moved out of the way, and goes back
    where nothing has come in its place.
    """
    return path.with_name(f".{path.name}.{purpose}-{os.getpid()}-{os.urandom(4).hex()}")


def is_temporary(path: Path) -> bool:
    """Whether `path` has a name of those that `hidden_sibling` gives."""
    return _NAME.fullmatch(path.name) is not None


def unnamed_file(name: str) -> int:
    """Return a descriptor of memory, called `name` where descriptors are listed, or else of a deleted file."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """Yield an empty file beside `target`, to be renamed to it; what has its name at the end is removed."""
    path = _made(target, lambda path: path.touch(exist_ok=False))
    try:
        yield path
    finally:
        _let_go(path)


@contextmanager
def temporary_folder(target: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `target`, to be renamed to it; what has its name at the end is removed.

    None: it lies among the system's temporary files, for this user alone.
    """
    path = folder_until_exit() if target is None else _made(target, Path.mkdir)
    try:
        yield path
    finally:
        _let_go(path)


def folder_until_exit() -> Path:
    """Return a new folder among the system's temporary files, for this user alone, until `remove_temporaries`."""
    return _made(Path(tempfile.gettempdir()) / "pptsn", lambda path: path.mkdir(mode=0o700))


@contextmanager
def moved_away(target: Path) -> Iterator[None]:
    """Move the folder `target` away for what takes its place, then remove it; after a failure it is back."""
    old, descriptor = hidden_sibling(target, "old"), _locked(target, wait=True, lockless=True)
    target.rename(old)
    _hold(old, descriptor)
    try:
        yield
    finally:
        if not target.exists():
            old.rename(target)
        _let_go(old)


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold the file `path`, which is there as long as somebody does, or after a kill; that holds nobody up.

    Its content says who holds it.  Raises BlockingIOError where another process does.
    """
    while True:
        path.touch()
        with suppress(FileNotFoundError):  # who held it has just removed it
            descriptor = _locked(path, wait=False, lockless=True)
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                break
            os.close(descriptor)
    _hold(path, descriptor)
    try:
        path.write_text(f"process {os.getpid()} on {os.uname().nodename}", encoding="utf-8")
        yield
    finally:
        _let_go(path)


def remove_temporaries() -> None:
    """Remove all that this process has under way: before an end that does not leave its blocks in order."""
    with _changing:
        paths = [path for pid, path in _held if pid == os.getpid()]
    for path in paths:
        _let_go(path)


def clear_leftovers(folder: Path) -> None:
    """Remove from `folder` what processes that are gone left there.  Nothing raises."""
    with suppress(OSError):  # the folder may not be there
        for path in folder.iterdir():
            found = _NAME.fullmatch(path.name)
            if found and (os.getpid(), path) not in _held:
                with suppress(OSError):  # somebody holds it, or it is another user's
                    _clear(path, None if found["purpose"] == "tmp" else folder / found["of"])


def _clear(path: Path, place: Path | None) -> None:
    """Remove `path`, or put it back to its `place`, where that is free; raises OSError where somebody holds it."""
    if path.is_symlink():
        path.unlink()
        return
    descriptor = _locked(path, wait=False, lockless=False)
    try:
        if place is not None and not place.exists():
            path.rename(place)
        else:
            _remove(path)
    finally:
        os.close(descriptor)


def _made(target: Path, make: Callable[[Path], None]) -> Path:
    """Return a hidden sibling of `target` that `make` made, held by this process."""
    clear_leftovers(target.parent)
    while True:
        path = hidden_sibling(target, "tmp")
        try:
            make(path)
            with suppress(FileNotFoundError):  # somebody took it for a leftover before it was locked
                _hold(path, _locked(path, wait=True, lockless=True))
                if path.exists():
                    return path
                _let_go(path)
        except BaseException:  # Ctrl-C, before anybody knew of it
            _let_go(path)
            raise


def _locked(path: Path, *, wait: bool, lockless: bool) -> int:
    """Return a descriptor that locks the file or folder `path` as long as it is open.

    wait: for others to let it go; otherwise that is a BlockingIOError.
    lockless: take a file system that knows no locks as it is; otherwise that is an OSError.
    """
    kind = os.O_DIRECTORY if path.is_dir() else os.O_RDWR
    descriptor = os.open(path, kind | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if isinstance(error, BlockingIOError) or not lockless:
            os.close(descriptor)
            raise
    return descriptor


def _hold(path: Path, descriptor: int) -> None:
    with _changing:
        _held[os.getpid(), path] = descriptor


def _let_go(path: Path) -> None:
    _remove(path)
    with _changing:
        descriptor = _held.pop((os.getpid(), path), None)
    if descriptor is not None:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
