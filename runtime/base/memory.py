"""Keeping a program's memory small."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
_THRESHOLD_BYTES = 256 * 1024


def start_without_collecting() -> None:
    """Put off the search for cycles of garbage until `collect_from_now`: for a program to call before its imports.

    They make hundreds of thousands of objects that stay, through which it would go again and again, in vain: 8 %
    of a short command's processor time (docs/log.md).
    """
    gc.disable()


def collect_from_now() -> None:
    """End what `start_without_collecting` began, if it did, and leave alone what is there: it stays to the end."""
    if gc.isenabled():
        return
    gc.freeze()
    gc.enable()


def return_freed_memory() -> None:
    """Make glibc give large blocks back to the system as soon as they are freed; elsewhere, do nothing.

    For a program to call at its start: it holds for the whole process.  glibc raises the size from which it does
    so by itself, after which decoded frames and a model's weights leave holes in its heaps: reading a 1080p file
    with ResNet-50 then peaks a quarter higher (docs/log.md).
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
    except (AttributeError, OSError):  # another C library
        return


@contextmanager
def bounded_growth(most_bytes: int) -> Iterator[None]:
    """Refuse this process, all of its threads, more than `most_bytes` of memory beside what it has, for one block.

    What is refused raises MemoryError, or what a library makes of it.  Elsewhere than on Linux there is no bound.
    """
    taken = _data_bytes()
    if taken is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = (bound for bound in (soft, hard, taken + most_bytes) if bound != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int | None:
    """Return what the system counts as this process's data, or None where it does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), None)
