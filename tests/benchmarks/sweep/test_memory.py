from __future__ import annotations

from pathlib import Path

import numpy as np

from pptsn.benchmarks.sweep.memory import peak_memory_mb


def test_the_peak_is_linux_s_high_water_mark(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t  250000 kB\nVmRSS:\t  100000 kB\n")
    assert peak_memory_mb(status) == 256.0


def test_the_peak_stays_after_memory_is_given_back() -> None:
    block = np.ones(int(peak_memory_mb()) * 130_000)  # a little more than the peak so far
    assert block[-1] == 1
    size_mb = block.nbytes / 1e6
    del block
    assert peak_memory_mb() > size_mb


def test_without_a_high_water_mark_getrusage_tells(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tpython\n")
    usual = peak_memory_mb()
    for status in (tmp_path / "status", tmp_path / "none"):
        assert 0.9 * usual < peak_memory_mb(status)
