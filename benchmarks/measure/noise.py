"""Whether the machine was quiet while it was measured."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.cores import available_cores

# What the same short work may differ by, and the share of time that guests, and that other programs, may take,
# before figures of the run deserve a warning.
_SPREAD_LIMIT = 0.10
_STOLEN_LIMIT = 0.02
_OTHERS_LIMIT = 0.10
_STEP_LIMIT_S = 0.5
# Fewer probes say nothing of their spread; shorter runs nothing of shares that the kernel counts in hundredths of
# a second.
_LEAST_PROBES = 3
_LEAST_S = 1.0
# How many numbers the work is done on: they stay in a core's own cache.
_PROBE_SIZE = 1 << 16
_PROBE_ROUNDS = 32


class NoiseWatch:
    """Times the same short work again and again between measurements, and watches the clock and the processors.

    A machine whose own speed changes, by other users or by heat, shows it in the spread of that work.

    proc, cpus: where the kernel tells of processes and of processors.  clock, steady: in seconds;
    only the first may step.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        *,
        cpus: Path = Path("/sys/devices/system/cpu"),
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc, self._cpus, self._clock, self._steady = proc, cpus, clock, steady
        self._numbers = np.random.default_rng(0).standard_normal(_PROBE_SIZE).astype(np.float32)
        self._result = np.empty_like(self._numbers)
        self._probes_ms: list[float] = []
        self._load_before = _load()
        self._own_cores = own_cores()
        self._time_before = processor_time(proc, cores=self._own_cores)
        self._throttled_before = self._throttled()
        self._clock_s, self._steady_s = clock(), steady()

    def look(self) -> None:
        """Time the work once: some milliseconds.  The best of three, so that one interruption does not count."""
        self._probes_ms.append(min(self._probe_ms() for _ in range(3)))

    def findings(self) -> dict[str, Any]:
        """Return what was seen since the beginning.

        probe_ms: the median time of the work, by which the speed of machines can be compared; probe_spread: how
        far the 10th and 90th percentiles are apart, as a share of it; None with fewer than three probes.
        stolen_share: the share of the time of the cores that this process may use which a hypervisor kept (0..1);
        others_share: which programs used that are neither this process nor its children; load_before: the
        processes that ran on the whole machine when it began;
        throttled: how often cores slowed down by heat; clock_step_s: how far the wall clock moved against the
        steady one.  None where not known.
        warnings: a sentence for each thing that makes the figures doubtful.
        """
        passed = self._time_passed()
        found = {
            "probe_ms": statistics.median(self._probes_ms) if self._probes_ms else None,
            "probe_spread": _spread(self._probes_ms),
            "probes": len(self._probes_ms),
            "stolen_share": None if passed is None else passed.stolen_s / passed.total_s,
            "others_share": None if passed is None else passed.others_s / passed.total_s,
            "load_before": self._load_before,
            "throttled": self._throttles(),
            "clock_step_s": self._clock_step_s(),
        }
        return {**found, "warnings": _warnings(found)}

    def _probe_ms(self) -> float:
        # No matrix product: the threads that NumPy has for those go on turning when it is done, and would disturb
        # what is measured next.
        started_s = time.perf_counter()
        for _ in range(_PROBE_ROUNDS):
            np.exp(self._numbers, out=self._result)
            np.sqrt(self._result, out=self._result)
        return 1000 * (time.perf_counter() - started_s)

    def _time_passed(self) -> ProcessorTime | None:
        """Return the processor time since the beginning, or None where it is not known or too short."""
        now, before = processor_time(self._proc, cores=self._own_cores), self._time_before
        if now is None or before is None or self._steady() - self._steady_s < _LEAST_S:
            return None
        passed = now - before
        return passed if passed.total_s > 0 else None

    def _throttled(self) -> dict[str, int]:
        """Return how often each core, or its package, has slowed down by heat since the machine started."""
        counts = {}
        for path in sorted(self._cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")):
            try:
                counts[f"{path.parent.parent.name} {path.name}"] = int(path.read_text())
            except (OSError, ValueError):  # a core that was switched off
                continue
        return counts

    def _throttles(self) -> int | None:
        # Every core repeats its package's count, so the largest step counts, not their sum.
        now, before = self._throttled(), self._throttled_before
        return max((now[name] - before[name] for name in now.keys() & before.keys()), default=None)

    def _clock_step_s(self) -> float:
        step_s = (self._clock() - self._clock_s) - (self._steady() - self._steady_s)
        return step_s if abs(step_s) > _STEP_LIMIT_S else 0.0


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _spread(probes_ms: list[float]) -> float | None:
    if len(probes_ms) < _LEAST_PROBES:
        return None
    ordered = sorted(probes_ms)
    beyond = len(ordered) // 10
    return (ordered[-1 - beyond] - ordered[beyond]) / statistics.median(ordered)


def _warnings(found: dict[str, Any]) -> list[str]:
    warnings = []
    if (found["probe_spread"] or 0) > _SPREAD_LIMIT:
        warnings.append(
            f"the machine's own speed varied by {found['probe_spread']:.0%} while it was measured: "
            "trust ratios of runs in turn more than single figures, or measure again when it is quiet"
        )
    if (found["stolen_share"] or 0) > _STOLEN_LIMIT:
        share = f"{found['stolen_share']:.0%}"
        warnings.append(f"the hypervisor took {share} of the processors' time for other guests")
    if (found["others_share"] or 0) > _OTHERS_LIMIT:
        warnings.append(f"other programs used {found['others_share']:.0%} of the processors while it was measured")
    cores = available_cores()
    if (found["load_before"] or 0) > cores / 2:
        warnings.append(
            f"{found['load_before']:.1f} processes were running when it began, and it may use {cores} cores"
        )
    if found["throttled"]:
        warnings.append(f"a processor slowed down by heat {found['throttled']} times: cool it, or let it rest")
    if found["clock_step_s"]:
        warnings.append(
            f"the wall clock stepped by {found['clock_step_s']:+.1f} s, or the machine slept; "
            "times are by a clock that does not step"
        )
    return warnings


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

    def __sub__(self, earlier: ProcessorTime) -> ProcessorTime:
        return ProcessorTime(
            total_s=self.total_s - earlier.total_s,
            busy_s=self.busy_s - earlier.busy_s,
            own_s=self.own_s - earlier.own_s,
            stolen_s=self.stolen_s - earlier.stolen_s,
        )


def own_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may run on; none where the system does not tell."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


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
