import resource
import subprocess
import sys

import numpy as np
import pytest

from pptsn.runtime.base.memory import bounded_growth

# Frees a large block, which makes glibc keep such blocks from then on, and then leaves holes below a small one.
_CODE = """
import sys
from pptsn.runtime.base.memory import return_freed_memory

def resident_mb():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024

if sys.argv[1] == "small":
    return_freed_memory()
del (block := [bytearray(b"x" * 30_000_000)])[:]
blocks = [bytearray(b"x" * 1_000_000) for _ in range(100)]
pin = bytearray(100_000)
before = resident_mb()
del blocks
print(before - resident_mb())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's behaviour")
def test_freed_memory_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", _CODE, "small"], capture_output=True, text=True, check=True)
    assert float(run.stdout) > 80


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not say what a process has")
@pytest.mark.parametrize("asked_mb", [1, 90, 200, 5000])
def test_growth_is_bounded_within_the_block_alone(asked_mb: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    granted = True
    try:
        with bounded_growth(100_000_000):
            np.ones(asked_mb * 1_000_000, np.uint8)
    except MemoryError:
        granted = False
    assert granted is (asked_mb < 100)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize("put_off", [False, True])
def test_garbage_is_looked_for_from_the_moment_that_is_named(put_off: bool) -> None:
    code = """
import gc, sys, weakref
from pptsn.runtime.base.memory import collect_from_now, start_without_collecting

class Cycle:
    def __init__(self):
        self.itself = self

def is_found():
    lost = weakref.ref(Cycle())
    kept = [[] for _ in range(100_000)]  # more than it waits for
    return lost() is None

if sys.argv[1] == "True":
    start_without_collecting()
    assert not is_found()
collect_from_now()
print(is_found(), gc.get_freeze_count() > 0)
"""
    run = subprocess.run([sys.executable, "-c", code, str(put_off)], capture_output=True, text=True, check=True)
    assert run.stdout == f"True {put_off}\n"
