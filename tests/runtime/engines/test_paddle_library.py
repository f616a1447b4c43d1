"""What Paddle's import leaves of the process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

STOPPED = """
import os, signal, time
from pptsn.runtime.base.stopping import Stopped, stoppable
from pptsn.runtime.engines.paddle.library import import_paddle

with stoppable():
    import_paddle("x", extra="train")
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except Stopped:
        print("in order")
"""


def test_sigterm_is_still_the_programs_own() -> None:
    if importlib.util.find_spec("paddle") is None:  # its import would leave a folder in the home
        pytest.skip("Paddle is not installed")
    ended = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "in order\n", "")
