"""The stand-in engine: that it takes its time, and no more."""

from __future__ import annotations

import time

import numpy as np

from tests.models import tiny_spec
from tools.pacing.stand_in import StandInEngine, middle_colours


def stand_in(batch_s: float = 0.0, *, batch_size: int = 4, **changes: float) -> StandInEngine:
    return StandInEngine(tiny_spec(), batch_s=batch_s, batch_size=batch_size, **changes)  # type: ignore[arg-type]


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_its_logits_are_a_function_of_each_crop_however_they_are_asked_for() -> None:
    engine, pictures = stand_in(), crops(3)
    middles = pictures[:, 16, 16]
    np.testing.assert_array_equal(engine.infer(pictures), np.concatenate([middles, middles[:, :1]], axis=1))
    batch, _ = engine.new_batches()
    batch.crops[:3] = pictures
    batch.submit(3)
    np.testing.assert_array_equal(batch.collect(), engine.infer(pictures))
    assert engine.calls == [3, 3, 3]
    assert middle_colours(pictures, 7).shape == (3, 7)


def test_a_device_works_on_one_batch_at_a_time_and_nobody_waits_to_submit() -> None:
    engine = stand_in(0.5)
    started_s = time.perf_counter()
    first, second = engine.new_batches()
    first.submit(4)
    second.submit(4)
    assert time.perf_counter() - started_s < 0.5
    second.collect()
    assert time.perf_counter() - started_s >= 1.0


def test_devices_work_at_the_same_time() -> None:
    engine = stand_in(0.5, devices=3)
    batches = engine.new_batches()
    started_s = time.perf_counter()
    for batch in batches[:3]:
        batch.submit(1)
    for batch in batches[:3]:
        batch.collect()
    assert len(batches) == 6
    assert 0.5 <= time.perf_counter() - started_s < 1.5  # which is what they would take one after another


def test_a_change_of_the_shape_costs_its_time_and_is_counted() -> None:
    engine = stand_in(changed_shape_s=0.05)
    batch, _ = engine.new_batches()
    started_s = time.perf_counter()
    for count in (4, 4, 3, 3, 4):
        batch.submit(count)
        batch.collect()
    assert engine.shape_changes == 3
    assert time.perf_counter() - started_s >= 0.15
