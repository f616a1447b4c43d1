from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pptsn.training.profiling.clock import PartClock, spent_on
from tests.clocks import Clock


@pytest.fixture
def time() -> Clock:
    return Clock()


@pytest.fixture
def clock(time: Clock) -> Iterator[PartClock]:
    clock = PartClock(now=time)
    clock.start()
    yield clock
    clock.stop()


def test_each_second_is_of_one_part_and_all_of_them_are_all_of_the_time(clock: PartClock, time: Clock) -> None:
    time.now_s += 1
    with spent_on("optimizer"):
        time.now_s += 2
        with spent_on("ranks"):
            time.now_s += 4
        time.now_s += 8
    with spent_on("ranks"):
        time.now_s += 16
    time.now_s += 32
    clock.stop()
    assert clock.seconds == {"other": 33, "optimizer": 10, "ranks": 20}


def test_a_part_that_fails_has_its_time(clock: PartClock, time: Clock) -> None:
    with pytest.raises(KeyboardInterrupt), spent_on("forward"):
        time.now_s += 1
        raise KeyboardInterrupt
    time.now_s += 2
    clock.stop()
    assert clock.seconds == {"other": 2, "forward": 1}


def test_what_comes_after_the_end_is_not_counted(clock: PartClock, time: Clock) -> None:
    with spent_on("forward"):
        time.now_s += 1
        clock.stop()
        time.now_s += 2
    with spent_on("backward"):
        time.now_s += 4
    clock.stop()
    assert sum(clock.seconds.values()) == 1


def test_a_part_that_began_before_the_clock_is_none(time: Clock) -> None:
    clock = PartClock(now=time)
    with spent_on("ranks"):
        time.now_s += 1
        clock.start()
        time.now_s += 2
    time.now_s += 4
    clock.stop()
    assert clock.seconds == {"other": 6}


def test_the_device_is_waited_for_at_both_ends_of_a_part(time: Clock) -> None:
    """A GPU goes on with the forward pass while the processor is in the backward pass."""
    queued = [0.0]

    def settle() -> None:
        time.now_s += queued[0]
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
