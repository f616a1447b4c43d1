from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pptsn.training.profiling.clock import PartClock, spent_on


class _Time:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> _Time:
    return _Time()


@pytest.fixture
def clock(time: _Time) -> Iterator[PartClock]:
    clock = PartClock(now=time)
    clock.start()
    yield clock
    clock.stop()


def test_each_second_is_of_one_part_and_all_of_them_are_all_of_the_time(clock: PartClock, time: _Time) -> None:
    time.now += 1
    with spent_on("optimizer"):
        time.now += 2
        with spent_on("ranks"):
            time.now += 4
        time.now += 8
    with spent_on("ranks"):
        time.now += 16
    time.now += 32
    clock.stop()
    assert clock.seconds == {"other": 33, "optimizer": 10, "ranks": 20}


def test_a_part_that_fails_has_its_time(clock: PartClock, time: _Time) -> None:
    with pytest.raises(KeyboardInterrupt), spent_on("forward"):
        time.now += 1
        raise KeyboardInterrupt
    time.now += 2
    clock.stop()
    assert clock.seconds == {"other": 2, "forward": 1}


def test_what_comes_after_the_end_is_not_counted(clock: PartClock, time: _Time) -> None:
    with spent_on("forward"):
        time.now += 1
        clock.stop()
        time.now += 2
    with spent_on("backward"):
        time.now += 4
    clock.stop()
    assert sum(clock.seconds.values()) == 1


def test_a_part_that_began_before_the_clock_is_none(time: _Time) -> None:
    clock = PartClock(now=time)
    with spent_on("ranks"):
        time.now += 1
        clock.start()
        time.now += 2
    time.now += 4
    clock.stop()
    assert clock.seconds == {"other": 6}


def test_the_device_is_waited_for_at_both_ends_of_a_part(time: _Time) -> None:
    """A GPU goes on with the forward pass while the processor is in the backward pass."""
    queued = [0.0]

    def settle() -> None:
        time.now += queued[0]
        queued[0] = 0

    clock = PartClock(now=time, settle=settle)
    clock.start()
    for part, work in (("forward", 3.0), ("backward", 5.0)):
        with spent_on(part):  # type: ignore[arg-type]
            queued[0] += work
    clock.stop()
    assert (clock.seconds["forward"], clock.seconds["backward"], clock.seconds["other"]) == (3, 5, 0)


def test_parts_are_marked_for_a_trace() -> None:
    marked: list[str] = []

    @contextmanager
    def mark(name: str) -> Iterator[None]:
        marked.append(name)
        yield

    clock = PartClock(mark=mark)
    with spent_on("copy"):
        pass
    clock.start()
    with spent_on("forward"):
        pass
    clock.stop()
    assert marked == ["forward"]
