"""Processes that work for this one: light, deaf to Ctrl-C, and gone when this one is."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor

from pptsn.runtime.workers.starting import end_with_parent


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of `workers` processes, which start with the first task.

    A process that dies makes the pool raise BrokenProcessPool; processes end with the pool's `shutdown`, or with
    this process however it ends.
    """
    # Forked children would inherit the locks of Paddle's threads as they happen to be: spawned ones start afresh.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start)


def _start() -> None:
    """Set up a worker process."""
    import cv2

    # Ctrl-C reaches the whole group: the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The processes are what runs in parallel.
    cv2.setNumThreads(1)
    end_with_parent()
