"""The tool that disturbs jobs of two ranks finds what is wrong with how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from pptsn.runtime.base.errors import DONE, FAILED, LOST, TERMINATED, UNFINISHED
from tools.endings.jobs import WAYS, Ended, complaints, rank_of
from tools.endings.started import MARK

KILLED, TOLD, RESTARTED = WAYS
LINE = "pptsn: error: ranks: rank 1 was killed, or crashed; go on with --resume\n"
RIGHT = Ended(code=LOST, disturbed=1, took_s=1.5, errors=LINE, survivors=())


@pytest.mark.parametrize(
    ("way", "change"),
    [
        (KILLED, {}),
        (KILLED, {"code": DONE, "disturbed": 0, "errors": "", "took_s": 60.0}),
        (KILLED, {"code": DONE, "errors": ""}),
        (TOLD, {"code": UNFINISHED, "errors": ""}),
        (TOLD, {"code": TERMINATED, "errors": ""}),
        (TOLD, {"code": -signal.SIGTERM, "errors": ""}),
        (RESTARTED, {"code": DONE, "disturbed": 3, "took_s": 60.0, "errors": ""}),
    ],
)
def test_nothing_is_said_where_a_job_ends_as_documented(way, change):
    assert list(complaints(way, replace(RIGHT, **change))) == []


@pytest.mark.parametrize(
    ("way", "change", "cause"),
    [
        (KILLED, {"code": FAILED}, f"exit code {FAILED}, expected {LOST}"),
        (KILLED, {"disturbed": 0}, f"exit code {LOST}, expected {DONE}"),
        (RESTARTED, {}, f"exit code {LOST}, expected {DONE}"),
        (TOLD, {}, f"exit code {LOST}, expected -15 or {UNFINISHED} or {TERMINATED}"),
        (KILLED, {"errors": ""}, "no line says that a rank was lost"),
        (KILLED, {"errors": LINE * 2}, "2 errors"),
        (KILLED, {"errors": f"Traceback (most recent call last):\n{LINE}"}, "a traceback"),
        (KILLED, {"took_s": 31.0}, "took 31.0 s to end"),
        (KILLED, {"survivors": ("python -c rank",)}, "a process is left: python -c rank"),
    ],
)
def test_what_is_wrong_is_said(way, change, cause):
    (line,) = complaints(way, replace(RIGHT, **change))
    assert cause in line


def test_a_rank_is_known_by_its_mark_and_number():
    environment = {**os.environ, MARK: "these", "PADDLE_TRAINER_ID": "1"}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment) as process:
        assert rank_of("these", 1) == process.pid
        assert rank_of("these", 0) is None
        assert rank_of("others", 1) is None
        process.kill()
