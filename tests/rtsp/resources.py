"""What this process and all that it has started hold: threads, open files, processes, memory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Resources:
    """Of a family of processes: how many there are, their threads and open files, and their resident memory."""

    processes: int
    threads: int
    files: int
    memory_bytes: int


def family_resources(*, without: Collection[int] = ()) -> Resources:
    """Return what this process and its descendants hold now, but for the processes of those numbers."""
    processes = threads = files = memory = 0
    for pid in set(_family(os.getpid())) - set(without):
        try:
            status = dict(line.split(":", 1) for line in (PROC / str(pid) / "status").read_text().splitlines())
            open_files = len(os.listdir(PROC / str(pid) / "fd"))  # noqa: PTH208 - a Path for each would be waste
            memory += 1024 * int(status["VmRSS"].split()[0])
        except (OSError, KeyError):  # it has ended, or is a zombie
            continue
        processes += 1
        threads += int(status["Threads"])
        files += open_files
    return Resources(processes, threads, files, memory)


def _family(pid: int) -> Iterator[int]:
    children = defaultdict(list)
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                # The name of a program, in parentheses, may contain anything.
                children[int((folder / "stat").read_text().rpartition(")")[2].split()[1])].append(int(folder.name))
            except OSError:
                continue
    waiting = [pid]
    while waiting:
        yield (found := waiting.pop())
        waiting += children[found]
