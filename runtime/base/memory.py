"""Keeping a program's memory small."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
_THRESHOLD_BYTES = 256 * 1024


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
