"""What C libraries write to standard error of their own accord, caught so that it can be told in our words."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from pptsn.runtime.base.temporary import unnamed_file

_STDERR = 2
# Standard error is the whole process's: one after the other.
_LOCK = threading.Lock()


@contextmanager
def caught_lines(is_known: Callable[[str], bool]) -> Iterator[list[str]]:
    """Keep lines that `is_known` from standard error while the block runs; the list has them once it has ended.

    What else is written there meanwhile, by other threads, comes when the block ends, or fails.
    """
    caught: list[str] = []
    with _LOCK, ExitStack() as opened:
        try:
            stderr = os.dup(_STDERR)
            opened.callback(os.close, stderr)
            file = unnamed_file("pptsn-lines")
            opened.callback(os.close, file)
        except OSError:  # there is none, or no more descriptors
            yield caught
            return
        os.dup2(file, _STDERR)
        try:
            yield caught
        finally:
            os.dup2(stderr, _STDERR)
            _sort(os.pread(file, os.fstat(file).st_size, 0), is_known, caught, stderr)


def _sort(written: bytes, is_known: Callable[[str], bool], caught: list[str], stderr: int) -> None:
    """Put known lines of what was `written` into `caught`, and write the rest to `stderr`."""
    others = b""
    for line in written.splitlines(keepends=True):
        text = line.decode(errors="replace").strip()
        if is_known(text):
            caught.append(text)
        else:
            others += line
    if others:
        with suppress(OSError):  # nobody reads it any more
            os.write(stderr, others)
