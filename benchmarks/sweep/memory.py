"""How much memory this process has taken at most."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_memory_mb(status: Path = Path("/proc/self/status")) -> float:
    """Return the peak resident memory of this process, in MB (10^6 bytes).

    Linux's VmHWM begins anew with the program.  Elsewhere getrusage tells, whose figure a child inherits from the
    process that started it, so that it is never below what its parent once took.
    """
    try:
        match = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
    except OSError:
        match = None
    if match:
        return int(match[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
