import subprocess
import sys

import pytest

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
