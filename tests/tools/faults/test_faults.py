"""The tool that gives failing inputs to the commands sees what is wrong, and leaves none of the inputs out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tools.faults.__main__ import faults
from tools.faults.cases import HOSTILE, MADE, NEVER, ONCE, Case
from tools.mutation.program import Done

CASE = Case("a", ("classify", "a"), (1,), {"^pptsn: error: .*damaged": ONCE, "NaN": NEVER})
DONE = Done(code=1, errors="pptsn: error: a: damaged\n", peak_mb=80, hung=False)
# Scripts that make or serve the others; what lists in `hang` name, which a file of its own tells.
_NO_INPUTS = {"README.md", "README.txt", "make.sh", "garble.py", "slow.py", "burst.py", "burst.ts"}
_SERVERS = {"idle.py", "webattack.py", "evil.py", "rtsp.py"}


def test_nothing_is_said_where_what_is_due_came() -> None:
    assert list(faults(CASE, DONE, ['{"error": "x"}\n'])) == []


@pytest.mark.parametrize(
    ("change", "written", "cause"),
    [
        ({"hung": True}, "", "did not end"),
        ({"code": 0}, "", "ended with code 0, expected 1"),
        ({"peak_mb": 2000}, "", "took 2000 MB"),
        ({"errors": DONE.errors * 2}, "", "2 lines have"),
        ({"errors": "pptsn: error: other\n"}, "", "0 lines have"),
        ({"errors": f"{DONE.errors}Traceback (most recent call last):\n  File\nKeyError: 1\n"}, "", "KeyError"),
        ({}, '{"score": NaN}\n', "1 lines have 'NaN'"),
        ({}, "a\x1b[31m\n", "control a terminal"),
        ({}, "a\u2028b\n", "control a terminal"),
    ],
)
def test_each_fault_is_named(change: dict, written: str, cause: str) -> None:
    (fault,) = faults(CASE, replace(DONE, **change), [written])
    assert cause in fault


def test_none_of_the_inputs_is_left_out(shared_dir: Path) -> None:
    folder = shared_dir / "faults"
    tried = {word.split("/", 1)[-1] for case in (*MADE, *HOSTILE) for word in case.words}
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    inputs = [path for path in files if path.name not in _NO_INPUTS | _SERVERS]
    assert inputs
    for path in inputs:
        places = [str(part).removeprefix("hostile/") for part in (path, *path.parents)]
        assert tried & {*places, *(place.split("/", 1)[-1] for place in places)}, path
