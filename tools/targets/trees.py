"""The memory of a program and of all the processes that it has started, together."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

_EVERY_S = 0.02
_PROC = Path("/proc")


def peak_pss_mb(command: Sequence[str]) -> float:
    """Return the peak of the memory of `command` and its descendants in MB; raises CalledProcessError if it fails.

    What several processes share counts once (PSS).  It is looked at fifty times a second, so that a shorter peak
    may be missed.
    """
    peak_mb = 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as program:
        while program.poll() is None:
            peak_mb = max(peak_mb, pss_mb(program.pid))
            time.sleep(_EVERY_S)
    if program.returncode:
        raise subprocess.CalledProcessError(program.returncode, command)
    return peak_mb


def pss_mb(process: int) -> float:
    """Return the memory of `process` and its descendants, as it is now, in MB; what they share counts once."""
    return sum(map(_pss_bytes, family(process))) / 1e6


def family(process: int) -> list[int]:
    """Return `process` and its descendants, those that still run."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            children[int(fields[1])].append(int(folder.name))
    found = [process]
    for member in found:
        found += children[member]
    return found


def _pss_bytes(process: int) -> int:
    try:
        text = (_PROC / str(process) / "smaps_rollup").read_text()
    except OSError:  # it has ended meanwhile
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0) * 1024
