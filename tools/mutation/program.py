"""A command run on broken input: whether it ended in time, by itself, without a traceback, and what it took."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# As documented: done, some input failed, wrong usage, something is missing.
_CODES = (0, 1, 2, 3)
_TRACEBACK = "Traceback (most recent call last)"
# After a Ctrl-C, and what a busy machine makes of three seconds.
_STOP_S = 15.0


@dataclass(frozen=True)
class Done:
    """How a command ended.

    code: its exit code, below 0 a signal's.  errors: what it printed on standard error.
    peak_mb: the memory of the largest of its processes.  hung: whether it had to be ended.
    """

    code: int
    errors: str
    peak_mb: float
    hung: bool

    def faults(self) -> list[str]:
        """Return what is wrong with it, a line each."""
        found = []
        if self.hung:
            found.append("did not end")
        elif self.code not in _CODES:
            found.append(f"ended with code {self.code}")
        if _TRACEBACK in self.errors:
            found.append(f"traceback: {self.errors.strip().splitlines()[-1]}")
        return found


def run_bounded(
    command: Sequence[str | Path], errors: Path, *, bound_s: float, stop_s: float | None = None
) -> Done:
    """Run `command` for at most `bound_s` seconds, after which it and its processes are ended.

    errors: the file that takes its standard error.  stop_s: it goes on for ever, and gets a Ctrl-C then.
    """
    with errors.open("wb") as file:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
    hung = threading.Event()

    def end() -> None:
        hung.set()
        os.killpg(process.pid, signal.SIGKILL)

    last_s = bound_s if stop_s is None else stop_s + _STOP_S
    timers = [threading.Timer(last_s, end)]
    if stop_s is not None:
        timers.append(threading.Timer(stop_s, process.send_signal, (signal.SIGINT,)))
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        end()
        raise
    finally:
        for timer in timers:
            timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    text = errors.read_text(encoding="utf-8", errors="replace")
    return Done(process.returncode, text, usage.ru_maxrss / 1024, hung.is_set())
