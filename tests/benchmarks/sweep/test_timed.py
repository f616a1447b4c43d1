from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.energy.sensors import Sensor
from pptsn.benchmarks.energy.watch import EnergyWatch
from pptsn.benchmarks.sweep.timed import _Runner, find, peak_memory_mb
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine
from tests.benchmarks.sweep.test_process import new_job
from tests.models import write_tiny_model


def test_a_cell_runs_in_batches_of_its_size_or_says_that_the_engine_takes_none(
    clips_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    counts: list[int] = []
    infer = OnnxRuntimeEngine._infer_batch
    monkeypatch.setattr(
        OnnxRuntimeEngine, "_infer_batch", lambda self, crops: (counts.append(len(crops)), infer(self, crops))[1]
    )
    assert find(new_job(model, clips_folder, batch=7)).batch_size == 7
    assert max(counts) == 7
    monkeypatch.setattr(OnnxRuntimeEngine, "largest_batch", 7)
    with pytest.raises(UsageError, match=r"onnxruntime .* takes batches of at most 7, not of 8; give 7 or less"):
        find(new_job(model, clips_folder, batch=8))


@pytest.mark.parametrize(
    ("runs_on", "sources"),
    [("cpu", ["cpu"]), ("cuda:1", ["cpu", "cuda:1"])],
)
def test_joules_are_those_of_the_device_that_the_cell_ran_on(
    clips_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs_on: str, sources: list[str]
) -> None:
    parts = ("cpu", "cuda:0", "cuda:1")
    sensors = [Sensor(name=part, part=part, read=lambda: 10.0, counts=False) for part in parts]
    monkeypatch.setattr("pptsn.benchmarks.energy.watch.energy_watch", lambda: EnergyWatch(sensors))
    job = new_job(write_tiny_model(tmp_path / "m.onnx"), clips_folder, device="auto")
    with open_engine(job.cell.model, device="cpu") as engine:
        engine.identity = dataclasses.replace(engine.identity, device=runs_on)
        runner = _Runner(engine, job)
        runner.warm_up()
        runs, notes = runner.folder_runs()
    assert [list(run.joules_by_source) for run in runs] == [sources] * 2
    assert notes == []
    for run in runs:
        assert run.joules == pytest.approx(sum(run.joules_by_source.values()))


def test_the_peak_is_linux_s_high_water_mark(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t  250000 kB\nVmRSS:\t  100000 kB\n")
    assert peak_memory_mb(status) == 256.0


@pytest.mark.slow
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
