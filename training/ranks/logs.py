"""Where the ranks that do not show how a job goes leave their own lines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.files import folder_made
from pptsn.training.recipe import RECIPE_NAME

# In the folder of a run, beside what the run itself writes.
LOGS_NAME = "rank-logs"
LAUNCHER_LOG = "launcher.log"


@contextmanager
def logs_in(root: Path) -> Iterator[Path]:
    """Yield the folder for the ranks' lines in `root`, both made if need be.

    It goes after the block where no training has begun in `root`; so do, after an error, the folders made for it.
    Raises InputError where it cannot be written.
    """
    folder = root / LOGS_NAME
    with ExitStack() as held:
        try:
            held.enter_context(folder_made(root))
            folder.mkdir(exist_ok=True)
        except OSError as error:
            cause = f"cannot be written ({reason_of(error)})"
            raise InputError(root, cause, "choose a writable place with room") from error
        try:
            yield folder
        finally:
            if not (root / RECIPE_NAME).exists():
                shutil.rmtree(folder, ignore_errors=True)


def log_of(rank: int) -> str:
    """Return the name of the file with the lines of `rank`."""
    return f"rank-{rank}.log"


def last_line(log: Path) -> str:
    """Return the last line of `log` that says anything; "" where there is none."""
    with suppress(OSError):
        lines = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines()[-20:]]
        return next((line for line in reversed(lines) if line), "")
    return ""
