"""Standard output and error that cannot be written: a full disk below a log, say."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def drop_unwritable_output() -> None:
    """Let go what standard output and error hold and cannot write.

    multiprocessing flushes both before it starts a process, and would start none.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
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
