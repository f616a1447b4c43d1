"""How much of the machine this process may use."""

from __future__ import annotations

import os

_limit: int | None = None


def available_cores() -> int:
    """Return the number of cores that this process may use: its affinity, not the machine's size."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if _limit is None else min(cores, _limit)


def limit_cores(count: int) -> None:
    """Use at most `count` cores from now on: this process is one of several that share the machine."""
    global _limit
    _limit = count
