"""Where lines of text can go: standard output, or files that grow for weeks.

A line is written whole, and at once: whatever ends the program, or fills the disk, those before it are there.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import cut_half_line, printable, refuse_special_file

DEFAULT_KEEP = 5
# How much longer a header may be that another program wrote, quotes and all, beside twice as long.
_LONGER_BYTES = 4096


class LineOutput(Protocol):
    """Takes lines.  name: what it is called in reports."""

    name: str

    def open(self) -> None:
        """Get ready; raises PptsnError where it can never be written."""
        ...

    def write_line(self, line: str) -> None:
        """Write `line`, which comes without its end, as UTF-8; raises OSError or PptsnError where that failed."""
        ...

    def close(self) -> None:
        """Finish; a second call does nothing."""
        ...


class ReaderGoneError(InputError):
    """The reader of standard output has gone (`| head`)."""

    def __init__(self, *_: object) -> None:
        super().__init__(StandardOutput.name, "its reader has gone")


class StandardOutput:
    """Standard output, unbuffered.  Once its reader has gone, every line raises ReaderGoneError."""

    name = "standard output"

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._is_open = self._gone = self._torn = False

    def open(self) -> None:
        """Find it; what the program has printed until now comes first."""
        sys.stdout.flush()
        with suppress(io.UnsupportedOperation):  # it is no file of the system, but a notebook's
            self._descriptor = sys.stdout.fileno()
        self._is_open = True

    def write_line(self, line: str) -> None:
        """Write one line.

        One that was cut short (a full disk) is taken back; where it cannot be, the next begins on a new line.
        """
        if self._gone:
            raise ReaderGoneError
        if not self._is_open:
            raise InputError(self.name, "is closed")
        rest = data = memoryview(b"\n" * self._torn + printable_bytes(line) + b"\n")
        try:
            while rest:
                rest = rest[self._write(rest) :]
        except BrokenPipeError as error:
            self._gone = True
            raise ReaderGoneError from error
        except OSError:
            written = len(data) - len(rest)
            if written:
                self._torn = not self._took_back(written)
            raise
        self._torn = False

    def close(self) -> None:
        """Leave it open: others may print."""
        self._is_open = False

    def _write(self, data: memoryview) -> int:
        if self._descriptor is not None:
            return os.write(self._descriptor, data)
        sys.stdout.write(bytes(data).decode())
        sys.stdout.flush()
        return len(data)

    def _took_back(self, written: int) -> bool:
        """Cut off the last `written` bytes of a file that ends with them; return whether that was done."""
        if self._descriptor is None:
            return False
        with suppress(OSError):  # what is no file has no place to go back to
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if os.fstat(self._descriptor).st_size == end >= written:
                os.ftruncate(self._descriptor, end - written)
                os.lseek(self._descriptor, end - written, os.SEEK_SET)
                return True
        return False


class LineFile:
    """Appends lines to the file `path`.

    A program that is started again goes on where it was; nothing is replaced.  Where the last line is cut short
    (a power cut), the first new one begins on a line of its own.  A line that cannot be written, because the disk
    is full, leaves nothing behind.  Where another program takes the file away (logrotate), it is begun anew.

    anew: the first line replaces all that the file holds; until then it stays as it is.
    whole: a last line that is cut short goes, as what it should say is written again.
    With either, a file that got no line at all is not made.

    rotate_bytes: a file that would grow past it is renamed first, `x.jsonl` to `x.1.jsonl`, `x.1.jsonl` to
    `x.2.jsonl`, up to number `keep`; the oldest goes.  A line is never split, so one that is longer than
    rotate_bytes has a file to itself.  None: the file grows without end.
    header: the first line of each file, or "": the names of its columns, which programs for tables may write in
    other quotes, without the mark of its byte order or with another line's end.
    """

    def __init__(
        self,
        path: Path,
        *,
        rotate_bytes: int | None = None,
        keep: int = DEFAULT_KEEP,
        header: str = "",
        anew: bool = False,
        whole: bool = False,
    ) -> None:
        self.path = path
        self.name = printable(str(path))
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._header = printable_bytes(header + "\n") if header else b""
        self._anew, self._whole, self._made = anew, whole, False
        self._descriptor: int | None = None
        self._torn = False

    def open(self) -> None:
        """Open the file, with the folders that it needs.

        Raises InputError where it cannot be written, UsageError where another process writes it or where it
        begins with another header.
        """
        try:
            if not self.path.parent.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._made = (self._anew or self._whole) and not self.path.exists()
            self._open()
        except OSError as error:
            cause = f"cannot be written ({error.strerror or error})"
            raise InputError(self.name, cause, "choose a writable place with room") from error
        if self._rotate_bytes is not None and not os.access(self.path.parent, os.W_OK):
            self.close()
            cause = "cannot be rotated (its folder is not writable)"
            raise InputError(self.name, cause, "choose another place, or leave `rotate` out")

    def write_line(self, line: str) -> None:
        """Append one line; raises OSError or PptsnError where that failed, the file being as it was before."""
        descriptor = self._current()
        if self._anew:
            os.ftruncate(descriptor, 0)
            self._anew = self._torn = False
        data = printable_bytes(line) + b"\n"
        size = os.fstat(descriptor).st_size
        if self._rotate_bytes is not None and size > 0 and size + len(data) > self._rotate_bytes:
            descriptor = self._rotate()
            size = 0
        start = self._header if size == 0 else b"\n" * self._torn
        try:
            write_all(descriptor, start + data)
        except OSError:
            self._take_back(descriptor, size)
            raise
        self._torn = False

    def sync(self) -> int:
        """Bring all lines onto the disk, and return the file's size in bytes; raises OSError where that failed."""
        descriptor = self._current()
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size

    def close(self) -> None:
        """Close the file, once all is on the disk; a second call does nothing.  Raises OSError where it is not."""
        if self._descriptor is None:
            return
        try:
            if self._made and not os.fstat(self._current()).st_size:
                self.path.unlink(missing_ok=True)
            else:
                os.fsync(self._descriptor)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        # It could not be appended to and cut, and opening a pipe would hang.
        refuse_special_file(self.path, self.name, remedy="name a file; - is standard output")
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, self.name)
            if self._whole:
                cut_half_line(descriptor)
            if not self._anew:
                self._check_header(descriptor)
            size = os.fstat(descriptor).st_size
            self._torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return descriptor

    def _check_header(self, descriptor: int) -> None:
        """Refuse a file with another header; where a power cut has left a part of ours alone, remove it."""
        size = os.fstat(descriptor).st_size
        begin = os.pread(descriptor, len(self._header), 0)
        if size < len(self._header) and self._header.startswith(begin):
            os.ftruncate(descriptor, 0)
        elif begin != self._header and not self._has_our_columns(descriptor):
            raise UsageError(self.name, "exists with other columns", "name another file, or move this one away")

    def _has_our_columns(self, descriptor: int) -> bool:
        line, end, _ = os.pread(descriptor, 2 * len(self._header) + _LONGER_BYTES, 0).partition(b"\n")
        return bool(end) and columns_of(line) == columns_of(self._header)

    def _current(self) -> int:
        """Return the descriptor of the file that is at `path` now."""
        if self._descriptor is None:
            return self._open()
        here = os.fstat(self._descriptor)
        with suppress(FileNotFoundError):
            there = self.path.stat()
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                return self._descriptor
        self._let_go()
        return self._open()

    def _rotate(self) -> int:
        """Rename the files and begin a new one.  Only files below the first free number move."""
        numbered = [self._numbered(number) for number in range(1, self._keep + 1)]
        free = next((i for i, path in enumerate(numbered) if not path.exists()), self._keep - 1)
        for i in range(free, 0, -1):
            os.replace(numbered[i - 1], numbered[i])
        os.replace(self.path, numbered[0])
        self._let_go()
        return self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}{self.path.suffix}")

    def _take_back(self, descriptor: int, size: int) -> None:
        try:
            os.ftruncate(descriptor, size)
        except OSError:
            self._torn = True


def _lock(descriptor: int, name: str) -> None:
    """Keep a second process from the file: what one takes back after a failure may be the other's line."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise UsageError(name, "another output or process writes it", "name another file") from error
        # Some network file systems know no locks; there it is the user's care.


def columns_of(header: bytes) -> list[str]:
    """Return the columns that the first line of a CSV names, whoever wrote it; none of what is no such line."""
    with suppress(csv.Error):  # a line's end within
        return next(csv.reader([header.decode("utf-8-sig", "replace").rstrip("\r\n")]), [])
    return []


def printable_bytes(text: str) -> bytes:
    """Return `text` in UTF-8; what has no place in it is spelled out in hexadecimal."""
    return text.encode("utf-8", "backslashreplace")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; raises OSError where that failed, having written a part of it perhaps."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class _StandardError:
    """The program's standard error, as a file for what tells of the work and is none of it."""

    def write(self, text: str) -> int:
        """Write `text`, where that can be; return its length."""
        try:
            sys.stderr.write(text)
        except OSError:
            drop_unwritten(sys.stderr)
        return len(text)

    def flush(self) -> None:
        """Flush what was written, where that can be."""
        drop_unwritten(sys.stderr)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def drop_unwritten(stream: TextIO | None) -> None:
    """Flush `stream`, and let go what it holds and cannot write, which would fail again at each flush to come."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # it is no file of the system
            _flush_to_nowhere(stream)


def _flush_to_nowhere(stream: TextIO) -> None:
    descriptor = stream.fileno()
    kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
        stream.flush()
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nowhere)


# For notes and warnings: that nobody can read them is no failure of what is done.
NOTED = cast(TextIO, _StandardError())
