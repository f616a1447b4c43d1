"""Standard streams that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]

# What is printed to a full device stays in the buffer; flushing fails until it is let go.
SCRIPT = """
import os, sys
from pptsn.runtime.workers.starting import drop_unwritable_output
sys.stderr = open("/dev/full", "w")
sys.stderr.write("lost")
try:
    sys.stderr.flush()
except OSError:
    print("full")
drop_unwritable_output()
sys.stderr.flush()
assert os.readlink(f"/proc/self/fd/{sys.stderr.fileno()}") == "/dev/full"
sys.stdout = None
drop_unwritable_output()
sys.__stdout__.write("done")
"""


def test_what_cannot_be_written_is_let_go_and_the_stream_stays() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "full\ndone", "")
