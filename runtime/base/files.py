"""Writing files whole: a crash leaves the old file or none, never half of one."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from pptsn.runtime.base.errors import InputError, UsageError, folder_in_its_place, reason_of
from pptsn.runtime.base.temporary import moved_away, temporary_file, temporary_folder

# What a library leaves of a disk that it has filled.
_FULL_BYTES = 64 * 1024
_BLOCK_BYTES = 1 << 20
# A list of millions of clips is smaller; what is no list, as a video or a device, may be endless.
_MOST_LIST_BYTES = 256 << 20


def _flush_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Make `folder` and those above it for the block; after an error in it those made here go, if empty."""
    missing = list(itertools.takewhile(lambda each: not each.exists(), (folder, *folder.parents)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:  # Ctrl-C, too
        for made in missing:
            with suppress(OSError):  # others write there as well
                made.rmdir()
        raise


@contextmanager
def atomic_file(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename it to `path`, on failure delete it.

    Missing parent folders are made, and go on failure; a link is followed.  What was left behind in that folder by
    processes that are gone is removed.  Raises InputError where the place cannot be written, at the beginning or
    later (a full disk).

    durable: wait until it is on the disk, so that a power cut leaves the old file or the whole new one.
    """
    target = Path(os.path.realpath(path))
    with _writing(path):
        refuse_special_file(target, path)
        with folder_made(target.parent), temporary_file(target) as temporary:
            with _full_disk_told(temporary):
                yield temporary
            if durable:
                with open(temporary, "rb") as written:
                    os.fsync(written.fileno())
            os.replace(temporary, target)
            if durable:
                _flush_folder(target.parent)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`; on success it takes the place of `path`, on failure it goes.

    A link is followed.  Raises InputError where the place cannot be written, at the beginning or later; where an
    InputError of the block names a file in the temporary folder, its place below `path` is named.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise InputError(path, "is a file, expected a folder", "choose another place")
    with _writing(path), folder_made(target.parent), temporary_folder(target) as temporary:
        with _full_disk_told(temporary), _named_as(path, temporary):
            yield temporary
        with moved_away(target) if target.exists() else nullcontext():
            temporary.rename(target)
        _flush_folder(target.parent)


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


@contextmanager
def _named_as(path: str | Path, temporary: Path) -> Iterator[None]:
    """Have errors name what lies in the folder `temporary`, which goes, by its place below `path`."""
    try:
        yield
    except InputError as error:
        hidden = str(temporary)
        if not str(error.thing).startswith(hidden):
            raise
        thing = f"{path}{str(error.thing).removeprefix(hidden)}"
        raise InputError(thing, error.cause, error.remedy) from error


@contextmanager
def _full_disk_told(path: Path) -> Iterator[None]:
    """Turn what libraries make of a full disk below `path`, errors of their own about anything, into that."""
    try:
        yield
    except (OSError, InputError):
        raise
    except Exception as error:
        if shutil.disk_usage(path.parent).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def refuse_special_file(path: Path, name: str | Path, *, remedy: str = "name a file") -> None:
    """Raise InputError, naming `name`, where `path` is a folder, a pipe or a device: what no file may replace."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise folder_in_its_place(name)
        if not stat.S_ISREG(mode):
            raise InputError(name, "is no regular file", remedy)


def require_writable(path: Path) -> None:
    """Raise InputError where `path` could not be written after work that takes long; leaves no trace."""
    real = Path(os.path.realpath(path))
    try:
        refuse_special_file(real, path)
        folder = next(parent for parent in real.parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise InputError(path, cause, "choose a writable place with room") from error


def refuse_overwriting(output: str | Path, inputs: Iterable[object], *, option: str = "--output") -> None:
    """Raise UsageError where `output` is one of the files that `inputs` name (`@list` names the list).

    option: by which it was given.
    """
    for name in map(str, inputs):
        for file in {name, name.removeprefix("@")}:
            with suppress(OSError):  # what is not there cannot be overwritten
                if Path(output).samefile(file):
                    raise UsageError(option, f"{output} is an input as well", "name another file")


def refuse_other_content(output: Path, contents: Collection[str], *, what: str) -> None:
    """Refuse to replace a folder that holds anything but an export or a report (`what`) of the files `contents`.

    Raises UsageError for that, InputError where `output` is a file or cannot be looked into.
    """
    try:
        if output.exists() and not output.is_dir():
            raise InputError(output, f"is a file, expected a folder for the {what}", "choose another place")
        inside = list(output.iterdir()) if output.exists() else []
        other = sorted(path.name for path in inside if path.name not in contents or path.is_dir())
    except OSError as error:
        raise InputError(output, f"cannot be used ({reason_of(error).lower()})", "choose a new folder") from error
    if other:
        cause = f"is a folder with other content ({other[0]}), no {what} alone"
        raise UsageError(output, cause, "choose a new folder")


def read_small(path: str | Path, most_bytes: int) -> bytes:
    """Return the content of a file that should be small; raises OSError for one of more than `most_bytes` too.

    A pipe that nobody writes to, or a device, is refused likewise.
    """
    with open(path, "rb", opener=_open_at_once) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes")
    return content


def lines_of(path: str | Path) -> list[str]:
    """Return the lines of a text file in UTF-8, with or without a mark of its byte order.

    They end with a line feed, or carriage return and line feed, and with nothing else: a name may hold whatever
    else is called a line's end in Unicode.  A pipe is read to its end.
    Raises UnicodeDecodeError, and OSError for a file of more than 256 MiB, too.
    """
    content = bytearray()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            content += block
            if len(content) > _MOST_LIST_BYTES:
                raise OSError(errno.EFBIG, f"it has more than {_MOST_LIST_BYTES} bytes")
    return [line.removesuffix("\r") for line in content.decode("utf-8-sig").split("\n")]


def cut_half_line(descriptor: int) -> None:
    """Cut off what stands behind the last line's end of an open file."""
    size = end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        whole = os.pread(descriptor, end - start, start).rfind(b"\n") + 1
        end = start + whole
        if whole:
            break
    if end < size:
        os.ftruncate(descriptor, end)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def printable(text: str) -> str:
    """Return `text` such that it can be written: bytes of a file name that are no UTF-8 are spelled out in hex."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
