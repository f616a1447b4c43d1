"""How long the stages take, and how often things happen: meters of fixed size that any thread may read."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pptsn.runtime.stream.actions.messages import STAGES, Stages
from pptsn.runtime.stream.health.snapshots import Percentiles

# A bucket reaches from a power of _GROWTH to the next; its middle is within 2 % of all that falls in it.
_GROWTH = 1.04
_SMALLEST_MS = 0.01
_LARGEST_MS = 1e6
_BUCKETS = 2 + math.ceil(math.log(_LARGEST_MS / _SMALLEST_MS, _GROWTH))
_LOG_GROWTH = math.log(_GROWTH)

# What is recent: the slice that is being filled and the six before it.
_SLICE_S = 10.0
_SLICES = 7

_Counts = npt.NDArray[np.int64]


class LatencyMeter:
    """Percentiles of each stage's latency, within 2 %, of the last minute and of the whole run.

    Counts latencies in buckets, so that its size, some 130 kB, and the cost of an `add` depend on nothing.
    clock: seconds that only increase.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._overall: _Counts = np.zeros((len(STAGES), _BUCKETS), np.int64)
        self._recent: _Counts = np.zeros((_SLICES, len(STAGES), _BUCKETS), np.int64)
        self._slice = self._slice_now()

    def add(self, stages: Stages) -> None:
        """Count what the newest frame of a prediction went through."""
        took_ms = stages.to_dict()
        with self._lock:
            self._turn()
            filling = self._recent[self._slice % _SLICES]
            for row, stage in enumerate(STAGES):
                bucket = _bucket_of(took_ms[stage])
                filling[row, bucket] += 1
                self._overall[row, bucket] += 1

    def recent(self) -> dict[str, Percentiles]:
        """Return each stage's percentiles over the last 60 to 70 s; empty where there was nothing."""
        with self._lock:
            self._turn()
            counts = self._recent.sum(axis=0)
        return _percentiles_of(counts)

    def overall(self) -> dict[str, Percentiles]:
        """Return each stage's percentiles over all that was added; empty where nothing was."""
        with self._lock:
            counts = self._overall.copy()
        return _percentiles_of(counts)

    def _slice_now(self) -> int:
        return int(self._clock() // _SLICE_S)

    def _turn(self) -> None:
        """Empty the slices whose time has passed."""
        now = self._slice_now()
        for passed in range(max(self._slice, now - _SLICES) + 1, now + 1):
            self._recent[passed % _SLICES] = 0
        self._slice = max(self._slice, now)


def _bucket_of(value_ms: float) -> int:
    if value_ms < _SMALLEST_MS:
        return 0
    return min(1 + int(math.log(value_ms / _SMALLEST_MS) / _LOG_GROWTH), _BUCKETS - 1)


def _middle_of(bucket: int) -> float:
    return 0.0 if bucket == 0 else _SMALLEST_MS * _GROWTH ** (bucket - 0.5)


def _percentiles_of(counts: _Counts) -> dict[str, Percentiles]:
    """Return the percentiles of (stages, buckets) counts, by nearest rank."""
    if not counts.any():
        return {}
    return {stage: Percentiles(*_ranks(row)) for stage, row in zip(STAGES, counts, strict=True)}


def _ranks(row: _Counts) -> tuple[float, float, float]:
    reached = np.cumsum(row)
    ranks = [math.ceil(share * reached[-1]) for share in (0.5, 0.9, 0.99)]
    p50, p90, p99 = (_middle_of(int(bucket)) for bucket in np.searchsorted(reached, ranks))
    return p50, p90, p99


class RateMeter:
    """How many things a second happened over the last `window_s` seconds (up to a tenth more).

    clock: seconds that only increase.
    """

    _PARTS = 10

    def __init__(self, *, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._part_s = window_s / self._PARTS
        self._lock = threading.Lock()
        self._counts = [0] * (self._PARTS + 1)
        self._began_s: float | None = None
        self._part = 0

    def add(self, count: int = 1) -> None:
        """Note that `count` things happened now."""
        with self._lock:
            now_s = self._turn()
            if self._began_s is None:
                self._began_s = now_s
            self._counts[self._part % len(self._counts)] += count

    def rate(self) -> float:
        """Return the things a second; too low in the first moments after the first, rather than wild."""
        with self._lock:
            now_s = self._turn()
            if self._began_s is None:
                return 0.0
            covered_s = now_s - (self._part - self._PARTS) * self._part_s
            return sum(self._counts) / max(min(covered_s, now_s - self._began_s), self._part_s)

    def _turn(self) -> float:
        """Empty the parts whose time has passed; return the time."""
        now_s = self._clock()
        now = int(now_s // self._part_s)
        for passed in range(max(self._part, now - len(self._counts)) + 1, now + 1):
            self._counts[passed % len(self._counts)] = 0
        self._part = max(self._part, now)
        return now_s
