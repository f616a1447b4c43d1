"""Who uses the processors: this process and its children, other programs, or other guests of the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

# What guests, and other programs, may take of the time before a measurement deserves a warning.
_STOLEN_LIMIT = 0.02
_OTHERS_LIMIT = 0.10
# The kernel counts in hundredths of a second: of shorter times it says nothing.
_LEAST_S = 1.0

# Columns of the lines `cpu`, `cpu0`... of /proc/stat (proc(5)).  Interrupts are nobody's: they count as neither.
# By hand: psutil lists the cores without their numbers, which is wrong where some are off, as on a Jetson.
_USER, _NICE, _SYSTEM, _STOLEN = 0, 1, 2, 7
_COLUMNS = 8
# Fields of /proc/PID/stat after the name: the parent's number, and the time in user and kernel mode, its own and
# that of children that have ended and were waited for.
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, kw_only=True)
class ProcessorTime:
    """Processor seconds, of some cores together, since the machine started; or between two such moments.

    total_s: idle ones included.  busy_s: programs ran.  own_s: of those, this process and its descendants.
    stolen_s: a hypervisor ran other guests.
    """

    total_s: float
    busy_s: float
    own_s: float
    stolen_s: float

    @property
    def others_s(self) -> float:
        """Seconds of all other programs; at least 0, though the kernel counts the two in different ways."""
        return max(0.0, self.busy_s - self.own_s)

    @property
    def others_share(self) -> float:
        """The share (0..1) of the time that other programs used."""
        return self.others_s / self.total_s

    @property
    def stolen_share(self) -> float:
        """The share (0..1) of the time that a hypervisor kept."""
        return self.stolen_s / self.total_s

    def __sub__(self, earlier: ProcessorTime) -> ProcessorTime:
        return ProcessorTime(
            total_s=self.total_s - earlier.total_s,
            busy_s=self.busy_s - earlier.busy_s,
            own_s=self.own_s - earlier.own_s,
            stolen_s=self.stolen_s - earlier.stolen_s,
        )

    def warnings(self) -> list[str]:
        """Return a sentence for each thing that makes what was measured meanwhile doubtful."""
        found = []
        if self.stolen_share > _STOLEN_LIMIT:
            found.append(f"the hypervisor took {self.stolen_share:.0%} of the processors' time for other guests")
        if self.others_share > _OTHERS_LIMIT:
            found.append(f"other programs used {self.others_share:.0%} of the processors while it was measured")
        return found


class ProcessorWatch:
    """Tells who used the cores that this process may run on, from its making on.

    proc: where the kernel tells of processes.  steady: a clock, in seconds.
    """

    def __init__(self, proc: Path = Path("/proc"), *, steady: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._steady = proc, steady
        self._cores = _own_cores()
        self._before = processor_time(proc, cores=self._cores)
        self._started_s = steady()

    def passed(self) -> ProcessorTime | None:
        """Return the time since the beginning, or None where it is not known or too short."""
        now, before = processor_time(self._proc, cores=self._cores), self._before
        if now is None or before is None or self._steady() - self._started_s < _LEAST_S:
            return None
        passed = now - before
        return passed if passed.total_s > 0 else None

    def warnings(self) -> list[str]:
        """Return those of the time since the beginning; none where it is not known."""
        passed = self.passed()
        return [] if passed is None else passed.warnings()


def processor_time(proc: Path = Path("/proc"), *, cores: Collection[int] = ()) -> ProcessorTime | None:
    """Return the processor time so far, or None where the kernel does not tell it.

    proc: where it does.  cores: whose time, by their numbers; that of all where none are given, or where the
    kernel does not list each of them, as in some containers.  This process and its children are taken to run on
    those cores alone.
    """
    ticks = _ticks_of_cores(proc, cores)
    if ticks is None:
        return None
    second = os.sysconf("SC_CLK_TCK")
    return ProcessorTime(
        total_s=sum(ticks[:_COLUMNS]) / second,  # the columns after those are part of the first two
        busy_s=(ticks[_USER] + ticks[_NICE] + ticks[_SYSTEM]) / second,
        own_s=_ticks_of_family(proc, os.getpid()) / second,
        stolen_s=ticks[_STOLEN] / second,
    )


def _own_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may run on; none where the system does not tell."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def _ticks_of_cores(proc: Path, cores: Collection[int]) -> list[int] | None:
    """Return the columns, added up over `cores`; None where there are none."""
    try:
        rows = [line.split() for line in (proc / "stat").read_text().splitlines() if line.startswith("cpu")]
        columns = {row[0]: [int(number) for number in row[1:]] for row in rows}
    except (OSError, ValueError):
        return None
    columns = {name: ticks for name, ticks in columns.items() if len(ticks) >= _COLUMNS}
    wanted = [f"cpu{core}" for core in cores]
    if wanted and all(name in columns for name in wanted):
        return [sum(ticks) for ticks in zip(*(columns[name] for name in wanted), strict=True)]
    return columns.get("cpu")


def _ticks_of_family(proc: Path, pid: int) -> int:
    """Return the ticks of a process and all its descendants.

    Those that have ended are in their parent's count; only a process whose parent ended first, or does not wait
    for it, is lost.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in proc.glob("[0-9]*/stat"):
        number = int(path.parent.name)
        try:
            # The name, in brackets, may hold anything.
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            parents[number], ticks[number] = int(fields[_PARENT]), sum(map(int, fields[_TIMES]))
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    total, family = 0, [pid]
    while family:
        member = family.pop()
        total += ticks.get(member, 0)
        family += children.get(member, ())
    return total
