"""One job of several ranks, by Paddle's own launcher, as the supervisor that starts it sees it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import DONE, FAILED, LOST, TERMINATED, UNFINISHED
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.training.ranks.devices import Devices
from pptsn.training.ranks.line import Caller, caller_at, open_door
from pptsn.training.ranks.logs import LAUNCHER_LOG, last_line, log_of

_POLL_S = 0.1
# How long ranks may take to end once they are told to; they end themselves within three seconds.
ENDING_S = 10.0
# By what is `python -m paddle.distributed.launch`, but with the package's folder in place of the current one, in
# which anything may lie.
_LAUNCHER = "import sys; sys.path[0] = sys.argv.pop(1); from pptsn.training.ranks.launcher import main; main()"
# What the launcher returns for a rank that a signal killed, the least to the greatest: its number below 256.
_OF_SIGNALS = range(256 - signal.NSIG + 1, 256)
_TOLD_TO_STOP = 15  # and where it was told to stop itself
# One machine, of which nobody but the ranks needs to reach a port.
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    endings: the ranks that had begun, in the order in which they ended, each with the exit code that it told;
    None for one that was killed or crashed.
    count: how many ranks there were to be.
    launcher: the launcher's exit code, negative for the signal that killed it.
    logs: where the ranks' lines are.
    """

    endings: tuple[tuple[int, int | None], ...]
    count: int
    launcher: int
    logs: Path

    @property
    def code(self) -> int:
        """The exit code of the job: that of the first rank, by number, that failed by itself."""
        told = [code for _, code in sorted(self.endings, key=lambda ending: ending[0]) if code]
        own = [code for code in told if code != LOST]
        return (own or told or [DONE if self.launcher == DONE else FAILED])[0]

    @property
    def lost(self) -> str:
        """Why the job ended, where no rank meant to: one was killed, or the connection was cut; else ""."""
        failed = [(rank, code) for rank, code in self.endings if code != DONE]
        gone = [rank for rank, code in failed if code is None]
        if self.launcher < 0 and not gone:
            return f"Paddle's launcher was killed ({signal.Signals(-self.launcher).name})"
        if self._is_without_one:
            return f"a rank ended before it began; the launcher's last line: {last_line(self.logs / LAUNCHER_LOG)}"
        if not failed or failed[0][1] not in (None, LOST):
            return ""
        if gone:
            return f"rank {gone[0]} was killed, or crashed{self._last_words(gone[0])}"
        meant = [code for _, code in failed if code not in (LOST, UNFINISHED)]
        return "" if meant else "the ranks lost their connection"

    @property
    def untold(self) -> str:
        """Which rank failed by itself, where that cut off rank 0, which then tells nothing; else ""."""
        if dict(self.endings).get(0) != LOST:
            return ""
        failed = [rank for rank, code in self.endings if code not in (DONE, LOST)]
        return f"rank {failed[0]} failed{self._last_words(failed[0])}" if failed else ""

    @property
    def _is_without_one(self) -> bool:
        """Whether the launcher ended the ranks that had begun, if any, for another that was killed before."""
        if len(self.endings) == self.count or self.launcher in (DONE, _TOLD_TO_STOP):
            return False
        if not self.endings:
            return self.launcher in _OF_SIGNALS
        return all(code in (LOST, UNFINISHED, TERMINATED) for _, code in self.endings)

    def _last_words(self, rank: int) -> str:
        words = last_line(self.logs / log_of(rank)) if rank else ""
        return f"; the last line of its log: {words}" if words else ""


class Job(Closing):
    """The ranks that run `program`, started at once; `wait` for them, and `close` in any case.

    program: the command line of a rank, which opens a `RankLine`.
    folder: that holds this package.  logs: the folder for the lines of all ranks but rank 0, which has this
    process's own standard output and standard error.
    """

    def __init__(self, program: Sequence[str], devices: Devices, *, folder: Path, logs: Path) -> None:
        self._count, self._logs = devices.count, logs
        self._callers: list[Caller] = []
        self._endings: list[tuple[int, int | None]] = []
        self._held = ExitStack()
        self._selector = self._held.enter_context(selectors.DefaultSelector())
        self._door, theirs = open_door()
        self._held.enter_context(self._door)
        self._held.enter_context(theirs)
        self._selector.register(self._door, selectors.EVENT_READ)
        # The launcher writes down the whole environment, and what a rank says before it opens its line; its home.
        notes = self._held.enter_context(temporary_folder())
        log = self._held.enter_context(self._open(LAUNCHER_LOG))
        options = ["--host", _HOST, "--log_dir", str(notes), *devices.launcher_options()]
        self._launcher = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(folder), str(notes), *options, *program],
            stdin=theirs.fileno(),
            stdout=log,
            stderr=log,
            env=devices.launcher_environment(),
            start_new_session=True,  # so that Ctrl-C reaches this process alone, which tells the ranks
        )

    def _open(self, name: str) -> IO[str]:
        return (self._logs / name).open("a", encoding="utf-8")

    def wait(self) -> Outcome:
        """Return how the job ended, once it has."""
        while self._launcher.poll() is None or (self._callers and self._launcher.returncode >= 0):
            self._look()
        if self._callers:  # whoever killed the launcher left them
            self.stop()
        return Outcome(tuple(self._endings), self._count, self._launcher.wait(), self._logs)

    def stop(self) -> None:
        """Have all ranks stop, and return when they have; those that do not are killed."""
        for caller in self._callers:
            caller.let_go()
        self._launcher.terminate()  # it ends those that have not opened their lines yet
        until = time.monotonic() + ENDING_S
        while time.monotonic() < until and (self._callers or not self._is_over()):
            self._look()
        self._kill()

    def _is_over(self) -> bool:
        return self._launcher.poll() is not None or len(self._endings) == self._count

    def _look(self) -> None:
        """Take what happens within a moment."""
        for key, _ in self._selector.select(_POLL_S):
            if key.data is None:
                self._welcome(caller_at(self._door))
            elif key.data.hear():
                self._selector.unregister(key.fileobj)
                key.data.line.close()
                self._callers.remove(key.data)
                self._endings.append((key.data.rank, key.data.code))

    def _welcome(self, caller: Caller) -> None:
        self._callers.append(caller)
        self._selector.register(caller.line, selectors.EVENT_READ, caller)
        if caller.rank == 0:
            caller.give((1, 2))
            return
        with self._open(log_of(caller.rank)) as log:
            caller.give((log.fileno(), log.fileno()))

    def _kill(self) -> None:
        for pid in (*(caller.pid for caller in self._callers), self._launcher.pid):
            with suppress(OSError):  # it has just ended
                os.killpg(pid, signal.SIGKILL)  # both lead a group of their own
        self._launcher.wait()

    def close(self) -> None:
        """End what still runs."""
        if self._launcher.poll() is None or self._callers:
            self.stop()
        for caller in self._callers:
            caller.line.close()
        self._held.close()
