"""The exit codes of the program: one table, which `--help`, the documentation and the tests go by."""

from __future__ import annotations

import signal

DONE, FAILED, USAGE, MISSING, UNEXPECTED = 0, 1, 2, 3, 4
# A program that was told to stop: 128 and the number of the signal, as shells have it.
INTERRUPTED, TERMINATED, HUNG_UP = 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP

EXIT_CODES = {
    DONE: "done",
    FAILED: "some input failed, or a limit was not kept",
    USAGE: "wrong usage",
    MISSING: "missing dependency or device",
    UNEXPECTED: "an error that nobody foresaw: a line on standard error names the report to send in",
    HUNG_UP: "stopped by SIGHUP: the terminal was closed",
    INTERRUPTED: "stopped by Ctrl-C (SIGINT)",
    TERMINATED: "stopped by SIGTERM",
}


def summary() -> str:
    """Return the table in a sentence, for the end of `--help`."""
    return (
        f"Exit codes: {DONE} done, {FAILED} some input failed, {USAGE} wrong usage, {MISSING} missing dependency "
        f"or device, {UNEXPECTED} unexpected error, {INTERRUPTED} stopped by Ctrl-C, {TERMINATED} by SIGTERM."
    )
