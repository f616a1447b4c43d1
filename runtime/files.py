"""Writing files whole: a crash leaves the old file or none, never half of one."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import InputError


def _sibling(path: Path, purpose: str) -> Path:
    """Return a hidden, unused name in the folder of `path`, so that a rename stays within one file system."""
    return path.with_name(f".{path.name}.{purpose}-{os.getpid()}-{secrets.token_hex(4)}")


def _flush_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename it to `path`, on failure delete it.

    Missing parent folders are made.  Raises InputError where the folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(path, "is a folder, expected a file name", "name a file in it")
    temporary = _sibling(path, "tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "choose a writable place") from error
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`; on success it takes the place of `path`, on failure it goes.

    Raises InputError where the parent folder cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(path, "is a file, expected a folder", "choose another place")
    temporary, old = _sibling(path, "tmp"), _sibling(path, "old")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "choose a writable place") from error
    try:
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
