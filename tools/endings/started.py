"""A program that is started with a mark, by which all processes that it starts are known until none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "PPTSN_ENDING"
# Far more than any of the commands takes.
_HANGS_S = 240.0
# Processes that end with another need a moment to notice.
_LINGER_S = 3.0


@dataclass
class Started:
    """A program at work.

    The others are known once it has ended: ended_s: when, by `time.monotonic`.  errors: what it said on standard
    error.  survivors: the command lines of processes that it has left, which are killed.
    """

    process: subprocess.Popen[bytes]
    mark: str
    ended_s: float = 0.0
    errors: str = ""
    survivors: tuple[str, ...] = ()


@contextmanager
def started(
    command: Sequence[str], errors: Path, *, environment: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Started]:
    """Yield `command` at work, and wait for its end after the block; an error in the block ends it at once.

    errors: the file that its standard error goes to.  environment: beside this process's.  options: of Popen.
    Raises TimeoutExpired where it hangs, after its end.
    """
    mark = uuid.uuid4().hex
    variables = {**os.environ, **(environment or {}), MARK: mark}
    with open(errors, "w+b") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=said, env=variables, **options)
        program = Started(process, mark)
        try:
            yield program
            process.wait(_HANGS_S)
        finally:
            process.kill()
            process.wait()
            program.ended_s = time.monotonic()
            program.survivors = _survivors_of(mark)
        said.seek(0)
        program.errors = said.read().decode(errors="replace")


def marked(mark: str) -> dict[int, str]:
    """Return the processes whose `MARK` is this, each with its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
        except OSError:  # it has gone, or is another user's
            continue
    return found


def _survivors_of(mark: str) -> tuple[str, ...]:
    """Return the command lines of processes whose `MARK` is this and that do not end; they are killed."""
    deadline_s = time.monotonic() + _LINGER_S
    while (found := marked(mark)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    for pid in found:
        with suppress(ProcessLookupError):  # it has ended after all
            os.kill(pid, signal.SIGKILL)
    return tuple(found.values())
