"""Jobs for pools: what a process can be asked to do, well or badly."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Job(NamedTuple):
    """Makes `items` items, and waits `pause_s` before each.

    size: of the array in each, in bytes.  log: a file to which it appends a byte for each.
    Before item `at`, or after the last: crash: it sends itself this signal.  error: it raises it.  wait_for: it
        waits for this file.
    """

    number: int
    items: int = 3
    size: int = 10
    pause_s: float = 0.0
    at: int = 1
    crash: signal.Signals | None = None
    error: Exception | None = None
    wait_for: Path | None = None
    log: Path | None = None


class Item(NamedTuple):
    """The item `index` of a job; content says so as well."""

    number: int
    index: int
    content: npt.NDArray[np.uint8]
    is_last: bool


class UnportableError(Exception):
    """An error that pickle cannot make again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def make(job: Job) -> Iterator[Item]:
    for index in range(job.items):
        time.sleep(job.pause_s)
        if index == job.at:
            _misbehave(job)
        if job.log is not None:
            with job.log.open("ab") as file:
                file.write(b".")
        content = np.full(job.size, (7 * job.number + index) % 256, np.uint8)
        yield Item(job.number, index, content, index == job.items - 1)
    if job.at == job.items:
        _misbehave(job)


def _misbehave(job: Job) -> None:
    if job.crash is not None:
        os.kill(os.getpid(), job.crash)
        time.sleep(10)
    if job.error is not None:
        raise job.error
    if job.wait_for is not None:
        deadline_s = time.monotonic() + 20
        while not job.wait_for.exists() and time.monotonic() < deadline_s:
            time.sleep(0.01)


def raise_unportable(job: Job) -> Iterator[Item]:
    raise UnportableError("one", "two")
    yield


def state(job: Job) -> Iterator[dict[str, object]]:
    """What a process of a pool is like."""
    import cv2

    from pptsn.runtime.base.cores import available_cores

    yield {
        "cores": available_cores(),
        "opencv": cv2.getNumThreads(),
        "outputs": {str(Path(f"/proc/self/fd/{descriptor}").readlink()) for descriptor in (1, 2)},
        "ignored": [signal.getsignal(s) == signal.SIG_IGN for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
    }
