"""The parts in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks.method import Method
from benchmarks.results import Result
from benchmarks.suite.parts import PARTS
from benchmarks.suite.subject import Subject
from runtime.errors import PptsnError, UsageError

# The section of a result that says why a part has none.
_SECTIONS = {"scenarios": "scenario", "live": "live", "stages": "stages", "gains": "gains", "sweep": "sweep"}


def check_parts(names: Iterable[str]) -> list[str]:
    """Return `names` in the order of the suite; raises UsageError for one that there is not."""
    wanted = list(names) or [""]
    for name in wanted:
        if name not in PARTS:
            raise UsageError("--only", f"there is no part {name!r}", f"choose of {', '.join(PARTS)}")
    return [name for name in PARTS if name in wanted]


def run_parts(
    names: Iterable[str], subject: Subject, method: Method, *, tell: Callable[[str], None] = lambda line: None
) -> Iterator[Result]:
    """Yield the results of the parts `names`, as they come.

    A part that fails gives a result with its error, and the others go on.  tell: takes a line before each part and
    after it.
    """
    for name in names:
        tell(f"{name} ...")
        started_s = time.perf_counter()
        try:
            yield from PARTS[name](subject, method)
        except PptsnError as error:
            yield Result(section=_SECTIONS[name], settings={"part": name}, error=str(error))
        tell(f"{name} took {time.perf_counter() - started_s:.0f} s")
