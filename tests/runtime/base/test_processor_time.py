"""Who used the processors; see `tests/benchmarks/test_noise.py` for machines that are not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pptsn.runtime.base.processor_time import ProcessorTime, ProcessorWatch, processor_time


@pytest.mark.parametrize(
    ("others_s", "stolen_s", "said"),
    [
        (0, 0, []),
        (10, 2, []),
        (11, 0, ["other programs used 11% of the processors while it was measured"]),
        (0, 3, ["the hypervisor took 3% of the processors' time for other guests"]),
    ],
)
def test_what_others_take_is_told_once_it_is_much(others_s: float, stolen_s: float, said: list[str]) -> None:
    passed = ProcessorTime(total_s=100, busy_s=40 + others_s, own_s=40, stolen_s=stolen_s)
    assert passed.warnings() == said


def test_where_the_kernel_does_not_tell_nothing_is_said(tmp_path: Path) -> None:
    watch = ProcessorWatch(tmp_path)
    assert watch.passed() is None
    assert watch.warnings() == []


def test_the_time_of_a_running_child_is_own_time() -> None:
    before = processor_time()
    if before is None:
        pytest.skip("this kernel does not tell")
    work = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    with subprocess.Popen(
        [sys.executable, "-c", f"{work}print(flush=True)\ninput()"], stdin=-1, stdout=-1
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        now = processor_time()
        child.communicate(b"\n")
    assert now is not None
    passed = now - before
    assert passed.own_s >= 0.25
    assert passed.total_s >= passed.busy_s - 1e-6  # differences of large numbers
    assert passed.busy_s >= 0
