"""Standard output and error that cannot be written: whoever read one has gone, or the disk below a log is full."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


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
