"""Running a command and ending it in one of several ways, at a moment that is given."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.endings.commands import Command
from tools.endings.inputs import PPTSN

SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
CLOSED_PIPE, FULL_DISK = "closed pipe", "full disk"
ENDINGS = (*SIGNALS, CLOSED_PIPE, FULL_DISK)
MARK = "PPTSN_ENDING"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, and nothing written
# Far more than any of the commands takes.
_HANGS_S = 240.0
# Processes that end with another need a moment to notice.
_LINGER_S = 3.0


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
    mark = uuid.uuid4().hex
    places = {"TMPDIR": str(place.temporary), "XDG_CACHE_HOME": str(place.cache)}
    environment = {**os.environ, **places, MARK: mark}
    line = [*PPTSN, *command.arguments(inputs, place.output), *(command.again if again else ())]
    piped = ending == CLOSED_PIPE
    segments_before = _segments()
    with open(place.root / "errors", "w+b") as errors, open(place.printed, "wb") as printed:
        started_s = time.monotonic()
        child = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else printed,
            stderr=errors,
            env=environment,
            cwd=place.root,
        )
        try:
            before, told_s = _end(child, ending, after, place, started_s)
            child.wait(_HANGS_S)
        finally:
            child.kill()
            child.wait()
        took_s = time.monotonic() - told_s
        survivors = survivors_of(mark)
        segments = _unused(_segments() - segments_before)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    return Ended(child.returncode, took_s, before is None, said, before or {}, survivors, segments)


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


def survivors_of(mark: str) -> tuple[str, ...]:
    """Return the command lines of processes whose `MARK` is this and that do not end; they are killed."""
    deadline_s = time.monotonic() + _LINGER_S
    while (found := marked(mark)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return tuple(found.values())


def marked(mark: str) -> dict[int, str]:
    """Return the processes whose `MARK` is this, each with its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
        except OSError:  # it has gone, or is another user's
            continue
    return found


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
