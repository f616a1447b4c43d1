"""Whose work the processors did: this process and its children's, other programs', other guests'."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Columns of the line `cpu` of /proc/stat (proc(5)).  Interrupts are nobody's, so they count as neither.
_USER, _NICE, _SYSTEM, _STOLEN = 0, 1, 2, 7
_COLUMNS = 8
# Fields of /proc/PID/stat after the name: the parent's number, and the time in user and kernel mode, its own and
# that of children that have ended and were waited for.
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, kw_only=True)
class ProcessorTime:
    """Processor seconds, of all cores together, since the machine started; or between two such moments.

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

    def __sub__(self, earlier: ProcessorTime) -> ProcessorTime:
        return ProcessorTime(
            total_s=self.total_s - earlier.total_s,
            busy_s=self.busy_s - earlier.busy_s,
            own_s=self.own_s - earlier.own_s,
            stolen_s=self.stolen_s - earlier.stolen_s,
        )


def processor_time(proc: Path = Path("/proc"), *, pid: int | None = None) -> ProcessorTime | None:
    """Return the processor time so far, or None where the kernel does not tell it.

    proc: where it does.  pid: of the process whose time is its own; this one, if not given.
    """
    try:
        line = (proc / "stat").read_text().splitlines()[0]
        ticks = [int(number) for number in line.split()[1:]]
    except (OSError, ValueError, IndexError):
        return None
    if len(ticks) < _COLUMNS:
        return None
    second = os.sysconf("SC_CLK_TCK")
    return ProcessorTime(
        total_s=sum(ticks[:_COLUMNS]) / second,  # the columns after those are part of the first two
        busy_s=(ticks[_USER] + ticks[_NICE] + ticks[_SYSTEM]) / second,
        own_s=_ticks_of_family(proc, os.getpid() if pid is None else pid) / second,
        stolen_s=ticks[_STOLEN] / second,
    )


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
