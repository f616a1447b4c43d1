"""The clips that were answered with warnings, named on standard error: what measures over clips should know."""

from __future__ import annotations

from collections.abc import Sequence


def print_warnings(warned: Sequence[str], *, total: int, failed: int) -> None:
    """Print a line for each clip of `warned`, then how many of `total` clips were answered, and how.

    failed: those that could not be read, which were named before.
    """
    from pptsn.runtime.base.progress import notes
    from pptsn.runtime.classify.results import in_all

    for line in warned:
        notes().print(f"pptsn: warning: {line}", style="yellow", markup=False)
    if warned or failed:
        line = in_all(total, failed=failed, warned=len(warned), things="clips")
        notes().print(f"pptsn: {line}", markup=False)
