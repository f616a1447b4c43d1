"""Whether the machine was quiet while it was measured."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.processor_time import ProcessorTime, ProcessorWatch

# What the same short work may differ by, and the wall clock, before figures of the run deserve a warning.
_SPREAD_LIMIT = 0.10
_STEP_LIMIT_S = 0.5
# Fewer probes say nothing of their spread.
_LEAST_PROBES = 3
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
        self._cpus, self._clock, self._steady = cpus, clock, steady
        self._numbers = np.random.default_rng(0).standard_normal(_PROBE_SIZE).astype(np.float32)
        self._result = np.empty_like(self._numbers)
        self._probes_ms: list[float] = []
        self._load_before = _load()
        self._processors = ProcessorWatch(proc, steady=steady)
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
        passed = self._processors.passed()
        found = {
            "probe_ms": statistics.median(self._probes_ms) if self._probes_ms else None,
            "probe_spread": _spread(self._probes_ms),
            "probes": len(self._probes_ms),
            "stolen_share": None if passed is None else passed.stolen_share,
            "others_share": None if passed is None else passed.others_share,
            "load_before": self._load_before,
            "throttled": self._throttles(),
            "clock_step_s": self._clock_step_s(),
        }
        return {**found, "warnings": _warnings(found, passed)}

    def _probe_ms(self) -> float:
        # No matrix product: the threads that NumPy has for those go on turning when it is done, and would disturb
        # what is measured next.
        started_s = time.perf_counter()
        for _ in range(_PROBE_ROUNDS):
            np.exp(self._numbers, out=self._result)
            np.sqrt(self._result, out=self._result)
        return 1000 * (time.perf_counter() - started_s)

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


def _warnings(found: dict[str, Any], passed: ProcessorTime | None) -> list[str]:
    warnings = []
    if (found["probe_spread"] or 0) > _SPREAD_LIMIT:
        warnings.append(
            f"the machine's own speed varied by {found['probe_spread']:.0%} while it was measured: "
            "trust ratios of runs in turn more than single figures, or measure again when it is quiet"
        )
    warnings += [] if passed is None else passed.warnings()
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
