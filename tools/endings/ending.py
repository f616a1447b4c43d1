"""Running a command and ending it in one of several ways, at a moment that is given."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.endings.commands import Command
from tools.endings.inputs import PPTSN
from tools.endings.started import started

SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
CLOSED_PIPE, FULL_DISK = "closed pipe", "full disk"
ENDINGS = (*SIGNALS, CLOSED_PIPE, FULL_DISK)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, and nothing written


@dataclass(frozen=True)
class Place:
    """The folders of one run: all that it may write to.  root holds the others."""

    root: Path

    @property
    def output(self) -> Path:
        """For what it is told to write."""
        return self.root / "output"

    @property
    def cache(self) -> Path:
        """In place of the user's folder of caches; on the disk that fills."""
        return self.output / "cache"

    @property
    def temporary(self) -> Path:
        """In place of the system's folder of temporary files."""
        return self.root / "temporary"

    @property
    def printed(self) -> Path:
        """What came from standard output, if that was no pipe."""
        return self.output / "printed"

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.output, self.temporary):
            folder.mkdir(parents=True)


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    code: as Popen has it.  took_s: from what ended it, or from its beginning, to its end.
    came_too_late: it had ended before.  before: the sizes of its files just before it was ended.
    survivors: processes that were left.  segments: shared memory that was left, and which no process uses.
    """

    code: int
    took_s: float
    came_too_late: bool
    errors: str
    before: dict[str, int]
    survivors: tuple[str, ...]
    segments: tuple[str, ...] = ()


def run(
    command: Command, inputs: Path, place: Place, *, ending: str = "", after: float = 0.0, again: bool = False
) -> Ended:
    """Run `command`, and end it by `ending` ("": leave it alone).

    after: seconds, or for a closed pipe the bytes that its reader takes.
    """
    places = {"TMPDIR": str(place.temporary), "XDG_CACHE_HOME": str(place.cache)}
    line = [*PPTSN, *command.arguments(inputs, place.output), *(command.again if again else ())]
    segments_before = _segments()
    with open(place.printed, "wb") as printed:
        stdout = subprocess.PIPE if ending == CLOSED_PIPE else printed
        started_s = time.monotonic()
        with started(line, place.root / "errors", environment=places, stdout=stdout, cwd=place.root) as program:
            before, told_s = _end(program.process, ending, after, place, started_s)
    segments = _unused(_segments() - segments_before)
    return Ended(
        program.process.returncode,
        program.ended_s - told_s,
        before is None,
        program.errors,
        before or {},
        program.survivors,
        segments,
    )


def _end(
    child: subprocess.Popen[bytes], ending: str, after: float, place: Place, started_s: float
) -> tuple[dict[str, int] | None, float]:
    """Do what ends `child`; return the sizes of its files before, or None where it was too late, and when."""
    if ending in SIGNALS:
        try:
            child.wait(after)
        except subprocess.TimeoutExpired:
            sizes = _sizes(place)
            child.send_signal(SIGNALS[ending])
            return sizes, time.monotonic()
        return None, started_s
    if ending == CLOSED_PIPE and child.stdout is not None:
        os.read(child.stdout.fileno(), max(1, int(after)))
        child.stdout.close()
    return {}, started_s


def _sizes(place: Place) -> dict[str, int]:
    files = [path for path in place.output.rglob("*") if not path.name.startswith(".")]
    return {path.name: path.stat().st_size for path in files if path.is_file()}


def _segments() -> set[str]:
    """Return the names in the system's shared memory."""
    return {path.name for path in _SHARED_MEMORY.iterdir()}


def _unused(names: set[str]) -> tuple[str, ...]:
    """Return those that no process has mapped: what others have made meanwhile is theirs."""
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):  # it has gone, or is another user's
            mapped += maps.read_text()
    return tuple(sorted(name for name in names & _segments() if str(_SHARED_MEMORY / name) not in mapped))


@contextmanager
def small_disk(folder: Path, *, kilobytes: int) -> Iterator[None]:
    """Mount a file system of that size on `folder`; raises CalledProcessError where this user may not."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607
