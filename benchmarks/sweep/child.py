"""Running one cell in a process of its own, and saying how it ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from pptsn.benchmarks.sweep.job import Findings, Job

_SCRIPT = Path(__file__).absolute().with_name("cell.py")
_LONGEST_LINE = 300


class CellError(Exception):
    """A cell that gave no figures; `str()` is one line that says why."""


def find_in_child(job: Job, *, timeout_s: float, script: Path = _SCRIPT) -> Findings:
    """Return what a new process finds; raises CellError for whatever ends it otherwise.

    The process is gone on return, also after KeyboardInterrupt.
    """
    with tempfile.TemporaryDirectory(prefix="pptsn-sweep-") as name:
        folder = Path(name)
        (folder / "job.json").write_text(job.to_json())
        status = _status_of([sys.executable, str(script), name], folder / "stderr.txt", timeout_s)
        if status == 0 and (folder / "findings.json").is_file():
            return Findings.from_json((folder / "findings.json").read_text())
        if (folder / "error.txt").is_file():
            raise CellError((folder / "error.txt").read_text())
        raise CellError(_cause_of_death(status, folder / "stderr.txt"))


def _status_of(command: list[str], errors: Path, timeout_s: float) -> int:
    # The pipe carries nothing: its end tells the child that this process has gone, however it went.
    with errors.open("wb") as stderr:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr)
    with child:
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            cause = f"gave no result within {timeout_s:g} s"
            raise CellError(f"{cause}; take fewer clips by --limit, or allow more by --cell-timeout") from None
        finally:
            child.kill()
            child.wait()  # after Ctrl-C, leaving the block does not


def _cause_of_death(status: int, errors: Path) -> str:
    lines = [line.strip() for line in errors.read_text(errors="replace").splitlines() if line.strip()]
    said = f": {lines[-1][:_LONGEST_LINE]}" if lines else ""
    if status >= 0:
        return f"its process failed with status {status}{said}"
    number = -status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    hint = ", as the system does where memory runs out" if number == signal.SIGKILL else ""
    return f"its process was ended by {name}{hint}{said}"
