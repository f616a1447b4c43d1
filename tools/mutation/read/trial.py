"""Reading files one after another in a process of its own, which may hang, crash or grow."""

from __future__ import annotations

import multiprocessing
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import PptsnError

HANG_S = 60.0
# What a file may cost beside three times its size.
MOST_BYTES = 200_000_000
_KB = 1024


@dataclass(frozen=True)
class Verdict:
    """What became of a file: `what` is "read", "refused", or a fault; detail: of a fault."""

    what: str
    detail: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it should not have been."""
        return self.what not in ("read", "refused")


class Reader:
    """A process that reads files by `read`; it is started anew where one ends it."""

    def __init__(self, read: Callable[[Path], object]) -> None:
        self._read = read
        self._process: Any = None
        self._pipe: Any = None

    def verdict(self, path: Path) -> Verdict:
        """Return what becomes of `path`."""
        if self._process is None:
            context = multiprocessing.get_context("fork")  # what reads may be a closure
            self._pipe, other = context.Pipe()
            self._process = context.Process(target=_serve, args=(other, self._read), daemon=True)
            self._process.start()
            other.close()
        self._pipe.send(path)
        try:
            if self._pipe.poll(HANG_S):
                verdict: Verdict = self._pipe.recv()
                return verdict
            found = Verdict("hang", f"more than {HANG_S:g} s")
        except EOFError:
            self._process.join()
            found = Verdict("crash", f"exit code {self._process.exitcode}")
        self.close()
        return found

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def _serve(pipe: Connection, read: Callable[[Path], object]) -> None:
    while True:
        try:
            path = pipe.recv()
        except EOFError:
            return
        pipe.send(_tried(path, read))


def _tried(path: Path, read: Callable[[Path], object]) -> Verdict:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    try:
        read(path)
        found = Verdict("read")
    except PptsnError as error:
        line = str(error)
        found = Verdict("refused") if line.isprintable() else Verdict("unprintable", repr(line)[:200])
    except Exception:
        found = Verdict("traceback", traceback.format_exc(limit=-2))
    grown = _status("VmHWM") - before
    if grown > 3 * path.stat().st_size + MOST_BYTES and not found.is_fault:
        return Verdict("memory", f"{grown // 1_000_000} MB")
    return found


def _status(field: str) -> int:
    """Return a figure in bytes of this process's /proc/self/status."""
    match = re.search(rf"^{field}:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(match[1]) * _KB if match else 0
