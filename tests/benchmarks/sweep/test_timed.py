from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.benchmarks.energy import EnergyWatch
from pptsn.benchmarks.energy.sensors import Sensor
from pptsn.benchmarks.sweep.timed import _Runner, _set_batch
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Batch
from tests.benchmarks.sweep.test_child import new_job
from tests.models import write_tiny_model


class PlanLike:
    """An engine whose batches are what they were built for, as a TensorRT plan's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.batch_size = engine.batch_size

    def new_batches(self) -> tuple[Batch, ...]:
        return self._engine.new_batches()


def test_an_engine_takes_the_batch_or_the_cell_says_that_it_does_not(tmp_path: Path) -> None:
    with open_engine(write_tiny_model(tmp_path / "m.onnx"), device="cpu") as engine:
        _set_batch(engine, 7, "m.onnx")
        assert len(engine.new_batches()[0].crops) == 7
        plan = PlanLike(engine)
        _set_batch(plan, 7, "m.engine")  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"m\.engine takes batches of 7, not of 8.*--batch 1,8,8"):
            _set_batch(plan, 8, "m.engine")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runs_on", "sources"),
    [("onnxruntime 1.22.0 on cpu", ["cpu"]), ("onnxruntime 1.22.0 by TensorRT on cuda:1 (X)", ["cpu", "cuda:1"])],
)
def test_joules_are_those_of_the_device_that_the_cell_ran_on(
    clips_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs_on: str, sources: list[str]
) -> None:
    parts = ("cpu", "cuda:0", "cuda:1")
    sensors = [Sensor(name=part, part=part, read=lambda: 10.0, counts=False) for part in parts]
    monkeypatch.setattr("pptsn.benchmarks.energy.energy_watch", lambda: EnergyWatch(sensors))
    job = new_job(write_tiny_model(tmp_path / "m.onnx"), clips_folder, device="auto")
    with open_engine(job.model, device="cpu") as engine:
        engine.description = runs_on
        runner = _Runner(engine, job)
        runner.warm_up()
        runs, notes = runner.folder_runs()
    assert [list(run.joules_by_source) for run in runs] == [sources] * 2
    assert notes == []
    for run in runs:
        assert run.joules == pytest.approx(sum(run.joules_by_source.values()))
