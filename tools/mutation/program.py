"""A command run on broken input: whether it ended in time, by itself, without a traceback, and what it took."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.targets.trees import family, pss_mb

# As documented: done, some input failed, wrong usage, something is missing.
_CODES = (0, 1, 2, 3)
# From its head over its indented lines to the error itself.
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?P<error>.*)", re.MULTILINE)
# After a Ctrl-C, and what a busy machine makes of three seconds.
_STOP_S = 15.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Done:
    """How a command ended.

    code: its exit code, below 0 a signal's.  errors: what it printed on standard error.
    peak_mb: the memory of all its processes together.  hung: whether it had to be ended.
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
        return [*found, *tracebacks(self.errors)]


def tracebacks(text: str) -> Iterator[str]:
    """Yield a line for each traceback in what was printed."""
    yield from (f"traceback: {match['error']}" for match in _TRACEBACK.finditer(text))


def run_bounded(
    command: Sequence[str | Path],
    errors: Path,
    *,
    bound_s: float,
    stop_s: float | None = None,
    printed: Path = Path(os.devnull),
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Done:
    """Run `command` for at most `bound_s` seconds, after which it and its processes are ended.

    errors, printed: the files that take its standard error and output.  stop_s: it goes on for ever, and gets a
    Ctrl-C then.  folder: it runs there.  environment: variables beside those of this process.
    """
    with errors.open("wb") as file, printed.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=file,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    began_s, peak_mb, asked, hung = time.monotonic(), 0.0, False, False
    try:
        while process.poll() is None and not hung:
            peak_mb = max(peak_mb, pss_mb(process.pid))
            passed_s = time.monotonic() - began_s
            if stop_s is not None and passed_s >= stop_s and not asked:
                process.send_signal(signal.SIGINT)
                asked = True
            hung = passed_s >= (bound_s if stop_s is None else stop_s + _STOP_S)
            time.sleep(_LOOK_EVERY_S)
    finally:
        if process.poll() is None:
            _end(process)
    text = errors.read_text(encoding="utf-8", errors="replace")
    return Done(process.returncode, text, peak_mb, hung)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started."""
    for member in family(process.pid):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    process.wait()
