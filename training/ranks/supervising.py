"""A job of several ranks from its start to its end, with restarts from the last checkpoint in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from pptsn.runtime.base.errors import DONE, HUNG_UP, INTERRUPTED, LOST, TERMINATED, UNFINISHED, PptsnError
from pptsn.runtime.base.progress import print_note
from pptsn.runtime.base.stopping import grace
from pptsn.training.ranks.devices import Devices
from pptsn.training.ranks.job import ENDING_S, Job, Outcome
from pptsn.training.ranks.logs import LAUNCHER_LOG, last_line

# What ranks end with that were told to stop; they leave it to their supervisor to say so.
_STOPPED = (UNFINISHED, INTERRUPTED, TERMINATED, HUNG_UP)
_LEAST_S = 2.0  # for what is left to do when the ranks have gone


def supervise(
    program_of: Callable[[bool], Sequence[str]],
    devices: Devices,
    *,
    folder: Path,
    logs: Path,
    remedy: str,
    restarts: int = 0,
) -> int:
    """Run a job of a rank for each of `devices`, and return its exit code, which rank 0 has explained.

    program_of: the command line of a rank; its argument says whether it is to go on from a checkpoint.
    folder, logs: see `Job`.  remedy: what its user can do where a rank is lost.
    restarts: how often the job begins anew where a rank is lost; each is told.
    Raises PptsnError, with the code LOST, where ranks are lost more often, with their own code where somebody
    stopped them, and KeyboardInterrupt where this process is.
    """
    for turn in range(restarts + 1):
        outcome = _run(program_of(turn > 0), devices, folder=folder, logs=logs)
        if not outcome.lost:
            return _code_of(outcome, remedy)
        if turn < restarts:
            print_note(f"{outcome.lost}; restart {turn + 1} of {restarts}")
    tries = f" (after {restarts} restarts)" if restarts else ""
    raise _ended(LOST, f"{outcome.lost}{tries}", remedy)


def _run(program: Sequence[str], devices: Devices, *, folder: Path, logs: Path) -> Outcome:
    with grace(ENDING_S + _LEAST_S), closing(Job(program, devices, folder=folder, logs=logs)) as job:
        try:
            return job.wait()
        except KeyboardInterrupt:
            job.stop()
            raise


def _code_of(outcome: Outcome, remedy: str) -> int:
    if outcome.code in _STOPPED:
        raise _ended(outcome.code, "one of them, or Paddle's launcher, was told to stop by a signal", remedy)
    if outcome.untold:
        raise _ended(outcome.code, outcome.untold, remedy)
    if outcome.endings or outcome.launcher == DONE:
        return outcome.code
    log = outcome.logs / LAUNCHER_LOG
    cause = f"Paddle's launcher failed before any rank began (code {outcome.launcher}): {last_line(log)}"
    raise PptsnError("ranks", cause, "see that paddlepaddle is whole, and that 127.0.0.1 can be reached")


def _ended(code: int, cause: str, remedy: str) -> PptsnError:
    error = PptsnError("ranks", cause, remedy)
    error.exit_code = code
    return error
