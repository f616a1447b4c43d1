"""Where lines of text can go: a file (`line_file`), or standard output."""

from __future__ import annotations

import os
import sys
from typing import Protocol

from pptsn.runtime.base.errors import InputError


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


class StandardOutput:
    """Standard output, unbuffered.  Once its reader has gone, every line raises InputError."""

    name = "standard output"

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._gone = self._torn = False

    def open(self) -> None:
        """Find it; what the program has printed until now comes first."""
        sys.stdout.flush()
        self._descriptor = sys.stdout.fileno()

    def write_line(self, line: str) -> None:
        """Write one line; where the last one was cut short (a full disk), begin on a new line."""
        if self._gone:
            raise InputError(self.name, "its reader has gone")
        if self._descriptor is None:
            raise InputError(self.name, "is closed")
        data = b"\n" * self._torn + printable_bytes(line) + b"\n"
        try:
            write_all(self._descriptor, data)
        except BrokenPipeError as error:
            self._gone = True
            raise InputError(self.name, "its reader has gone") from error
        except OSError:
            self._torn = True
            raise
        self._torn = False

    def close(self) -> None:
        """Leave it open: others may print."""
        self._descriptor = None


def printable_bytes(text: str) -> bytes:
    """Return `text` in UTF-8; what has no place in it is spelled out in hexadecimal."""
    return text.encode("utf-8", "backslashreplace")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; raises OSError where that failed, having written a part of it perhaps."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
