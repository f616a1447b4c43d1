"""The parts in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from pptsn.benchmarks.measure.engines import engine_faults
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.suite.parts import PARTS
from pptsn.benchmarks.suite.subject import Subject
from pptsn.runtime.base.errors import PptsnError, UsageError

# The section of a result that says why a part has none.
_SECTIONS = {"scenarios": "scenario", "live": "live", "stages": "stages", "sweep": "sweep"}


def parts_to_run(only: str | None, subject: Subject) -> tuple[list[str], list[str]]:
    """Return the names of the parts to run, in the order of the suite, and why others are left out.

    only: names divided by commas, or None for all that `subject` has what it takes for.
    Raises UsageError for a part that there is not, and for one that is named and cannot run.
    """
    named = [name.strip() for name in only.split(",")] if only is not None else list(PARTS)
    for name in named:
        if name not in PARTS:
            raise UsageError("--only", f"there is no part {name!r}", f"choose of {', '.join(PARTS)}")
    lacking = {"sweep": "takes clips: name them by --list"} if subject.clips is None else {}
    left_out = [name for name in PARTS if name in named and lacking.get(name)]
    if only is not None and left_out:
        raise UsageError("--only", f"{left_out[0]} {lacking[left_out[0]]}")
    return [name for name in PARTS if name in named and name not in left_out], [
        f"{name} is left out: it {lacking[name]}" for name in left_out
    ]


def run_parts(
    names: Iterable[str], subject: Subject, method: Method, *, tell: Callable[[str], None] = lambda line: None
) -> Iterator[Result]:
    """Yield the results of the parts `names`, as they come.

    A part that fails gives a result with its error, and the others go on.  tell: takes a line before each part and
    after it, and others in between.
    """
    for name in names:
        tell(f"{name} ...")
        started_s = time.perf_counter()
        try:
            with engine_faults(subject.deployed):
                yield from PARTS[name](subject, method, tell)
        except PptsnError as error:
            yield Result(section=_SECTIONS[name], settings={"part": name}, error=str(error))
        tell(f"{name} took {time.perf_counter() - started_s:.0f} s")
