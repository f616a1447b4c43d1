from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sweep.timed import _set_batch
from runtime.engines import Engine, open_engine
from runtime.engines.base import Batch
from runtime.errors import UsageError
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
