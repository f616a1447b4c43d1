"""One cell in a process of its own: starting it, what it does, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import msgspec

from pptsn.benchmarks.sweep.cells import Findings, Job
from pptsn.runtime.base.temporary import temporary_folder

T = TypeVar("T")

# The process: python -c PROGRAM ROOT FOLDER.  Python would put the current folder first, where anything may lie.
PROGRAM = """
import sys
sys.path[0] = sys.argv.pop(1)
from pptsn.benchmarks.sweep.process import main
sys.exit(main(sys.argv[1]))
"""
ROOT = str(Path(__file__).absolute().parents[3])  # that holds the package, by way of the link in a checkout
_LONGEST_LINE = 300


class CellError(Exception):
    """A cell that gave no figures; `str()` is one line that says why."""


def find_in_child(job: Job, *, timeout_s: float, program: str = PROGRAM) -> Findings:
    """Return what a new process finds; raises CellError for whatever ends it otherwise.

    The process is gone on return, also after KeyboardInterrupt.
    """
    with temporary_folder() as folder:
        write(job, folder / "job.json")
        status = _status_of([sys.executable, "-c", program, ROOT, str(folder)], folder / "stderr.txt", timeout_s)
        if status == 0 and (folder / "findings.json").is_file():
            return read(folder / "findings.json", Findings)
        if (folder / "error.txt").is_file():
            raise CellError((folder / "error.txt").read_text())
        raise CellError(_cause_of_death(status, folder / "stderr.txt"))


def main(name: str) -> int:
    """Do the job in the folder `name`, in the process that was started for it; return the exit status.

    Reads `job.json` and writes `findings.json`, or `error.txt` for an expected failure.  It ends when its standard
    input does, so that it does not outlive who started it.
    """
    # Ctrl-C reaches the whole group; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    from pptsn.benchmarks.sweep.timed import find
    from pptsn.runtime.base.errors import PptsnError
    from pptsn.runtime.base.memory import return_freed_memory

    return_freed_memory()  # as `pptsn classify` does
    folder = Path(name)
    try:
        findings = find(read(folder / "job.json", Job))
    except PptsnError as error:
        (folder / "error.txt").write_text(str(error), errors="backslashreplace")
        return error.exit_code
    write(findings, folder / "findings.json")
    return 0


def write(value: Job | Findings, path: Path) -> None:
    """Write `value` as JSON; paths may hold bytes that are no UTF-8, which only `json` can write."""
    path.write_text(json.dumps(asdict(value), default=str))


def read(path: Path, kind: type[T]) -> T:
    """Return what `write` wrote."""
    document = json.loads(path.read_text())
    return msgspec.convert(document, kind, str_keys=True, dec_hook=lambda wanted, value: wanted(value))


def _end_with_standard_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


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
