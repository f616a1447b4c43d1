"""The process that measures one cell: python cell.py FOLDER.

Reads FOLDER/job.json and writes FOLDER/findings.json, or FOLDER/error.txt for an expected failure.  It ends when
its standard input does, so that it does not outlive who started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path


def main(folder: Path) -> int:
    """Do the job in `folder`; return the exit status."""
    # Ctrl-C reaches the whole group; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    from pptsn.benchmarks.sweep.job import Job
    from pptsn.benchmarks.sweep.timed import find
    from pptsn.runtime.base.errors import PptsnError
    from pptsn.runtime.base.memory import return_freed_memory

    return_freed_memory()  # as `pptsn classify` does
    try:
        findings = find(Job.from_json((folder / "job.json").read_text()))
    except PptsnError as error:
        (folder / "error.txt").write_text(str(error), errors="backslashreplace")
        return error.exit_code
    (folder / "findings.json").write_text(findings.to_json())
    return 0


def _end_with_standard_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    # Python puts a script's own folder first; its modules are no packages for others to find.
    own = Path(__file__).absolute().parent  # PACKAGE/benchmarks/sweep, by way of the link in a checkout
    sys.path[:] = [str(own.parents[2]), *sys.path[1:]]
    sys.exit(main(Path(sys.argv[1])))
