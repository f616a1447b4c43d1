from __future__ import annotations

import threading

import numpy as np
import pytest

from pptsn.benchmarks.scenarios.system import Sample, SystemFailure, SystemUnderTest
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines.base import Batch, Logits
from pptsn.runtime.frames.preprocess import Frame
from tests.benchmarks.scenarios.fakes import SleepingEngine, numbered_library


class Gate(SleepingEngine):
    """An engine that says when it is called, and answers once it is let."""

    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.entered, self.open = threading.Semaphore(0), threading.Semaphore(0)

    def _infer(self, crops: Frame) -> Logits:
        self.entered.release()
        assert self.open.acquire(timeout=10)
        return super()._infer(crops)


class Log:
    """Gathers completions, and waits for a number of them."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._changed = threading.Condition()

    def __call__(self, sample: int, at_s: float) -> None:
        with self._changed:
            self.ids.append(sample)
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ids) >= count, timeout=10)


def first_values(engine: SleepingEngine) -> list[list[int]]:
    return [crops[:, 0, 0, 0].tolist() for crops in engine.calls]


def test_a_sample_that_comes_alone_runs_at_once() -> None:
    engine, log = SleepingEngine(batch_size=4), Log()
    with SystemUnderTest(engine, numbered_library(8)) as system:
        for sample in range(3):
            system.issue([Sample(sample, sample)], log)
            log.wait(sample + 1)
    assert first_values(engine) == [[0], [1], [2]]


def test_samples_that_wait_share_batches_in_their_order() -> None:
    engine, log = Gate(batch_size=3), Log()
    with SystemUnderTest(engine, numbered_library(9)) as system:
        system.issue([Sample(0, 0)], log)
        assert engine.entered.acquire(timeout=10)
        for sample in range(1, 6):  # while the engine works
            system.issue([Sample(sample, sample)], log)
        engine.open.release(10)
        log.wait(6)
    assert first_values(engine) == [[0], [1, 2, 3], [4, 5]]
    assert log.ids == [0, 1, 2, 3, 4, 5]


def test_a_sample_is_complete_with_its_last_crop() -> None:
    engine, log = Gate(batch_size=4), Log()
    with SystemUnderTest(engine, numbered_library(2, crops_a_frame=5)) as system:
        system.issue([Sample(70, 0), Sample(71, 1)], log)
        for complete_at_call in ([], [], [70]):  # 70 has its fifth crop in the second call
            assert engine.entered.acquire(timeout=10)
            assert log.ids == complete_at_call
            engine.open.release()
        log.wait(2)
    assert first_values(engine) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert log.ids == [70, 71]


@pytest.mark.parametrize(("batch", "counts"), [(2, [2, 2, 2]), (None, [4, 2]), (6, [6])])
def test_a_batch_size_is_that_of_the_system_alone(batch: int | None, counts: list[int]) -> None:
    engine, log = SleepingEngine(batch_size=4), Log()
    with SystemUnderTest(engine, numbered_library(6), batch=batch) as system:
        system.issue([Sample(i, i) for i in range(6)], log)
        log.wait(6)
    assert engine.counts == counts
    assert engine.batch_size == 4


def test_a_batch_that_the_engine_has_no_room_for_is_refused() -> None:
    engine = SleepingEngine(batch_size=4)
    engine.largest_batch = 4
    with pytest.raises(UsageError, match=r"sleeping 1\.0 on cpu takes batches of at most 4, not of 8"):
        SystemUnderTest(engine, numbered_library(2), batch=8)
    assert engine.batch_size == 4


def test_two_batches_are_filled_while_the_engine_works() -> None:
    submitted: list[int] = []

    class Room(Batch):
        def _submit(self, count: int) -> None:
            submitted.append(count)

        def _collect(self, count: int) -> Logits:
            if len(log.ids) == 0:
                assert len(submitted) == 2, "the second batch was not submitted before the first was collected"
            return np.zeros((count, 4), np.float32)

        def close(self) -> None:
            closed.append(self)

    class Overlapping(SleepingEngine):
        def new_batches(self, batch_size: int | None = None, *, features: bool = False) -> tuple[Batch, ...]:
            return tuple(Room(np.empty((2, 32, 32, 3), np.uint8)) for _ in range(2))

    closed: list[Batch] = []
    log = Log()
    with SystemUnderTest(Overlapping(batch_size=2), numbered_library(6)) as system:
        system.issue([Sample(i, i) for i in range(6)], log)
        log.wait(6)
        system.check()
    assert submitted == [2, 2, 2]
    assert log.ids == list(range(6))
    assert len(closed) == 2


def test_after_an_error_every_sample_completes_and_check_tells_it() -> None:
    engine, log = SleepingEngine(batch_size=2, fail_at=1), Log()
    with SystemUnderTest(engine, numbered_library(7)) as system:
        system.issue([Sample(i, i) for i in range(7)], log)
        log.wait(7)
        system.issue([Sample(9, 0)], log)
        log.wait(8)
        with pytest.raises(SystemFailure, match="RuntimeError: the device is gone") as failure:
            system.check()
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert sorted(log.ids) == [0, 1, 2, 3, 4, 5, 6, 9]


def test_what_is_discarded_is_never_completed() -> None:
    engine, log = Gate(batch_size=1), Log()
    with SystemUnderTest(engine, numbered_library(5)) as system:
        system.issue([Sample(i, i) for i in range(5)], log)
        assert engine.entered.acquire(timeout=10)
        engine.open.release()
        assert engine.entered.acquire(timeout=10)  # the second is in flight
        done = threading.Thread(target=system.discard)
        done.start()
        engine.open.release()
        done.join(10)
        assert not done.is_alive()
        assert log.ids == [0, 1]
        engine.open.release()
        system.issue([Sample(8, 0)], log)
        log.wait(3)
    assert log.ids == [0, 1, 8]


def test_closing_twice_does_nothing_more() -> None:
    system = SystemUnderTest(SleepingEngine(), numbered_library(2))
    system.close()
    system.close()
