"""What starting processes leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

STARTING = """
import os, sys, time
from pptsn.runtime.workers.starting import room_to_start, start_process
with room_to_start():
    process = start_process(time.sleep, (0,), name="sleeper", preload=())
print(os.listdir(os.environ["TMPDIR"]), flush=True)
if sys.argv[1] == "killed":
    time.sleep(60)
"""


def start(how: str, place: Path) -> str:
    """Start a process that starts one, and return the files that it had among the temporary ones."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place)}
    command = [sys.executable, "-c", STARTING, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        held = child.stdout.readline()
        if how == "killed":
            child.send_signal(signal.SIGKILL)
    return held


@pytest.mark.parametrize(("before", "name"), [("ended", "short"), ("killed", "long é" * 25)])
def test_the_socket_of_multiprocessing_stays_nowhere(tmp_path: Path, before: str, name: str) -> None:
    """However long the path of the temporary folder is: that of a socket may have 107 bytes."""
    place = tmp_path / name
    place.mkdir()
    assert "pymp" not in start(before, place)
    assert len(list(place.iterdir())) == (before == "killed")
    assert start("ended", place).count(".pptsn.tmp-") == 1
    assert list(place.iterdir()) == []
