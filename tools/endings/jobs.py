"""Ends trainings by two ranks at random moments, and has them go on.

    python -m tools.endings.jobs [--seed N] [--only WORD]... [--rounds N]

A rank is killed; the job is told to stop; ranks are killed under `--restarts 3`.  Demanded are the documented exit
codes, one line that says why, an end that comes soon, whole checkpoints at any time, no process and no temporary
file left, and at last, with `--resume` where the job has ended before, the weights of a run without all that.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pptsn.runtime.base.errors import DONE, LOST, TERMINATED, UNFINISHED
from pptsn.runtime.base.stopping import stoppable
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.training.network.weights import read_checkpoint, weights_digest
from tools.endings.inputs import PPTSN, write_training
from tools.endings.started import Started, marked, started
from tools.endings.whole import broken_files
from tools.program import run as run_program
from tools.program import tell

_RANKS, _RESTARTS = 2, 3
# Gloo waits 30 s for a rank that is late; one that has died is to be noticed long before.
_SOON_S = 15.0
_POLL_S = 0.02
_EARLIEST_S, _LATEST = 0.2, 0.9
# Epochs enough that a checkpoint lies before, between and after random moments.
_BRIEFLY = ("--set", "optimizer.epochs=3")
_CHECKPOINT = "last.pdparams"


@dataclass(frozen=True)
class Way:
    """A way to disturb a job.

    kills: how many ranks are killed at most, one after another; 0: the job is told to stop by SIGTERM.
    codes: those that it may end with, if it was not over before.  options: of the command.
    """

    name: str
    kills: int
    codes: frozenset[int]
    options: tuple[str, ...] = ()


WAYS = (
    Way("SIGKILL of a rank", 1, frozenset({LOST})),
    # Before Python has begun, the signal itself ends the process; until the training has, its code is that of any.
    Way("SIGTERM of the job", 0, frozenset({UNFINISHED, TERMINATED, -signal.SIGTERM})),
    Way(f"--restarts {_RESTARTS}", _RESTARTS, frozenset({DONE}), ("--restarts", str(_RESTARTS))),
)


@dataclass(frozen=True)
class Ended:
    """How a job ended: its exit code, how often it was disturbed, seconds from the last time to its end, lines."""

    code: int
    disturbed: int
    took_s: float
    errors: str
    survivors: tuple[str, ...]


def main(
    seed: Annotated[int, typer.Option(help="Decides the moments.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="Ways whose name has this; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is tried.")] = 10,
) -> None:
    """Disturb jobs of two ranks in three ways, and say what is wrong with how they end."""
    ways = [way for way in WAYS if not only or any(word in way.name for word in only)]
    with stoppable(), temporary_folder() as folder:
        write_training(folder)
        trials = Trials(folder, random.Random(seed))
        wrong = [f"{way.name}: {line}" for way in ways for _ in range(rounds) for line in trials.once(way)]
    for line in wrong:
        print(line)
    print(
        f"{len(ways) * rounds} endings, at most {trials.slowest_s:.1f} s after the cause; {len(wrong)} complaints"
    )
    sys.exit(1 if wrong else 0)


class Trials:
    """Jobs in `folder`, which holds a recipe and its lists; the undisturbed one runs at once.

    slowest_s: the longest time from the last disturbance to the end of a job that was not finished.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._folder, self._rng = folder, rng
        self._run = folder / "run"
        self.slowest_s = 0.0
        begun = time.monotonic()
        whole = self._job(())
        self._lasts_s = time.monotonic() - begun
        if whole.code != DONE:
            raise RuntimeError(f"undisturbed, the job ended with {whole.code}: {whole.errors}")
        self._expected = self._digest()
        tell(f"undisturbed: {self._lasts_s:.1f} s")

    def once(self, way: Way) -> Iterator[str]:
        """Disturb a new job in that way; yield what is wrong, a line each."""
        ended = self._disturbed(way)
        if ended.code != DONE:
            self.slowest_s = max(self.slowest_s, ended.took_s)
        yield from complaints(way, ended)
        yield from broken_files(self._run)
        if ended.code != DONE:
            again = self._job(("--resume",))
            if again.code != DONE:
                yield f"with --resume it ended with {again.code}: {again.errors.strip()[-200:]}"
                return
        yield from (f"left behind: {path.name}" for path in self._run.rglob(".*"))
        if self._digest() != self._expected:
            yield "the last weights are not those of an undisturbed run"

    def _disturbed(self, way: Way) -> Ended:
        """Run new jobs until one was disturbed before it was over."""
        while True:
            shutil.rmtree(self._run, ignore_errors=True)
            moments = [self._rng.uniform(_EARLIEST_S, _LATEST * self._lasts_s) for _ in range(max(way.kills, 1))]
            ended = self._job(way.options, moments, kills=bool(way.kills))
            tell(f"  {way.name} {ended.disturbed} times: code {ended.code}, {ended.took_s:.1f} s later")
            if ended.disturbed or ended.code != DONE:
                return ended
            self._lasts_s = min(self._lasts_s, ended.took_s)  # the machine is less busy now

    def _digest(self) -> str:
        return weights_digest(read_checkpoint(self._run / _CHECKPOINT).arrays)

    def _job(self, options: tuple[str, ...], moments: list[float] | None = None, *, kills: bool = False) -> Ended:
        """Run a job, and disturb it so many seconds after its beginning, or after its last restart."""
        command = [*PPTSN, "train", str(self._folder / "recipe.yaml"), "-o", str(self._run)]
        command += ["--devices", f"cpu:{_RANKS}", "--set", "optimizer.batch_size=2", *_BRIEFLY, *options]
        with started(command, self._folder / "errors", stdout=subprocess.DEVNULL) as job:
            disturbed, told_s = 0, time.monotonic()
            for moment in moments or []:
                if self._disturb(job, moment, kills=kills):
                    disturbed, told_s = disturbed + 1, time.monotonic()
        return Ended(job.process.returncode, disturbed, job.ended_s - told_s, job.errors, job.survivors)

    def _disturb(self, job: Started, moment: float, *, kills: bool) -> bool:
        """Kill one of the ranks, or tell the job to stop; return whether there was one."""
        with suppress(subprocess.TimeoutExpired):
            job.process.wait(moment)
            return False
        if not kills:
            job.process.send_signal(signal.SIGTERM)
            return True
        number = self._rng.randrange(_RANKS)
        while job.process.poll() is None:
            if (rank := rank_of(job.mark, number)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(rank, signal.SIGKILL)
                    return True
            time.sleep(_POLL_S)
        return False


def rank_of(mark: str, number: int) -> int | None:
    """Return the process that is the rank of this number in the job with the mark, if there is one."""
    wanted = f"PADDLE_TRAINER_ID={number}".encode()
    for pid in marked(mark):
        with suppress(OSError):  # it has just ended
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                return pid
    return None


def complaints(way: Way, ended: Ended) -> Iterator[str]:
    """Yield what is wrong with how a job ended that was disturbed in that way, a line each."""
    expected = way.codes if ended.disturbed else {DONE}
    # The last rank to be killed may have done all that it had to do.
    if ended.code not in {*expected, DONE}:
        yield f"exit code {ended.code}, expected {' or '.join(map(str, sorted(expected)))}: {ended.errors[-200:]}"
    if ended.code == LOST and "was killed, or crashed" not in ended.errors and "ended before" not in ended.errors:
        yield f"no line says that a rank was lost: {ended.errors.strip()[-200:]}"
    if len(lines := [line for line in ended.errors.splitlines() if line.startswith("pptsn: error:")]) > 1:
        yield f"{len(lines)} errors: {lines}"
    if "Traceback" in ended.errors:
        yield f"a traceback: {ended.errors.strip().splitlines()[-1][:200]}"
    if ended.code != DONE and ended.took_s > _SOON_S:
        yield f"took {ended.took_s:.1f} s to end"
    yield from (f"a process is left: {line}" for line in ended.survivors)


if __name__ == "__main__":
    run_program(main)
