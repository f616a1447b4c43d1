"""Writing files whole: a crash leaves the old file or none, never half of one."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError


def hidden_sibling(path: Path, purpose: str) -> Path:
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

    Missing parent folders are made; a link is followed.  Raises InputError where the place cannot be written, at
    the beginning or later (a full disk).
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(path, "is a folder, expected a file name", "name a file in it")
    temporary = hidden_sibling(target, "tmp")
    try:
        with _writing(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, target)
            _flush_folder(target.parent)
    finally:
        with suppress(OSError):  # a parent that is no folder, say: the error that counts is under way
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`; on success it takes the place of `path`, on failure it goes.

    A link is followed.  Raises InputError where the place cannot be written, at the beginning or later.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise InputError(path, "is a file, expected a folder", "choose another place")
    temporary, old = hidden_sibling(target, "tmp"), hidden_sibling(target, "old")
    try:
        with _writing(path):
            temporary.mkdir(parents=True)
            yield temporary
            if target.exists():
                target.rename(old)
            temporary.rename(target)
            _flush_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    """Turn what the system says of a place that cannot be written, or not further, into an error that names it."""
    try:
        yield
    except BrokenPipeError:  # the reader of standard output has gone: no fault of this file
        raise
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise InputError(path, cause, "choose a writable place with room") from error


def require_writable(path: Path) -> None:
    """Raise InputError where `path` could not be written after work that takes long; leaves no trace."""
    real = Path(os.path.realpath(path))
    try:
        if real.is_dir():
            raise InputError(path, "is a folder, expected a file name", "name a file in it")
        folder = next(parent for parent in real.parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise InputError(path, cause, "choose a writable place with room") from error


def refuse_overwriting(output: str | Path, inputs: Iterable[object]) -> None:
    """Raise UsageError where `output` is one of the files that `inputs` name (`@list` names the list)."""
    for name in map(str, inputs):
        with suppress(OSError):  # what is not there cannot be overwritten
            if Path(output).samefile(name.removeprefix("@")):
                raise UsageError("--output", f"{output} is an input as well", "name another file")


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


def printable(text: str) -> str:
    """Return `text` such that it can be written: bytes of a file name that are no UTF-8 are spelled out in hex."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
