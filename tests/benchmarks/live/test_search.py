"""The search, with trials that cost nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pptsn.benchmarks.live.measure import search
from pptsn.benchmarks.live.trial import Trial


def trial(streams: int, *, held: bool) -> Trial:
    return Trial(streams=streams, seconds=1, ages_ms=(), failures=() if held else ("too slow",))


def trials_of(capacity: int) -> Callable[[int], Trial]:
    return lambda streams: trial(streams, held=streams <= capacity)


@pytest.mark.parametrize("capacity", range(22))
@pytest.mark.parametrize("start", [1, 9, 20])
def test_the_largest_count_that_holds_is_found(capacity: int, start: int) -> None:
    found, trials = search(trials_of(capacity), start=start, most=20)
    assert found == min(capacity, 20)
    assert len(trials) <= 10


def test_it_doubles_then_bisects_then_tries_what_decides_again() -> None:
    _, trials = search(trials_of(21), start=8, most=64)
    assert [trial.streams for trial in trials] == [8, 16, 32, 24, 20, 22, 21, 22, 21]


def test_where_the_first_count_fails_it_goes_below() -> None:
    _, trials = search(trials_of(1), start=9, most=64)
    assert [trial.streams for trial in trials] == [9, 6, 4, 2, 1, 2, 1]


def test_where_not_one_stream_holds_the_answer_is_none() -> None:
    found, trials = search(trials_of(0), start=9, most=64)
    assert (found, [trial.streams for trial in trials]) == (0, [9, 6, 4, 2, 1, 1])


def test_no_more_streams_are_tried_than_allowed() -> None:
    found, trials = search(trials_of(1000), start=8, most=20)
    assert found == 20
    assert [trial.streams for trial in trials] == [8, 16, 20, 20]


class Machine:
    """Serves `capacity` streams, but for the trials of `noise`: (streams, which of their trials), from 1."""

    def __init__(self, capacity: int, *noise: tuple[int, int]) -> None:
        self.seen: list[int] = []
        self._capacity, self._noise = capacity, noise

    def run(self, streams: int) -> Trial:
        self.seen.append(streams)
        noisy = (streams, self.seen.count(streams)) in self._noise
        return trial(streams, held=(streams <= self._capacity) != noisy)


def test_one_noisy_trial_does_not_cap_the_answer() -> None:
    machine = Machine(14, (9, 1))
    found, _ = search(machine.run, start=13, most=64)
    assert found == 14


def test_a_count_that_fails_once_is_tried_again_before_it_bounds_the_answer() -> None:
    machine = Machine(9, (9, 1))
    found, _ = search(machine.run, start=8, most=64)
    assert machine.seen == [8, 16, 12, 10, 9, 9, 9, 10]
    assert found == 9


def test_a_count_that_holds_once_by_luck_is_not_the_answer() -> None:
    machine = Machine(13, (14, 1))
    found, trials = search(machine.run, start=8, most=64)
    assert machine.seen == [8, 16, 12, 14, 15, 15, 14, 14, 13, 13]
    assert found == 13
    assert [trial.held for trial in trials if trial.streams == 13] == [True, True]


def test_an_answer_that_fails_once_when_it_is_tried_again_is_decided_by_a_third_trial() -> None:
    machine = Machine(14, (14, 2))
    found, _ = search(machine.run, start=8, most=64)
    assert machine.seen == [8, 16, 12, 14, 15, 15, 14, 14]
    assert found == 14


@pytest.mark.parametrize("seed", range(50))
def test_it_comes_to_an_end_whatever_the_machine_does(seed: int) -> None:
    dice = random.Random(seed)
    found, trials = search(lambda streams: trial(streams, held=dice.random() < 0.5), start=8, most=64)
    assert found == 0 or sum(trial.held for trial in trials if trial.streams == found) >= 2
    assert len(trials) < 30


def test_a_machine_that_is_noisy_throughout_does_not_make_the_search_long() -> None:
    machine = Machine(1000, *((streams, 1) for streams in range(1, 65)))  # each count fails at first
    found, _ = search(machine.run, start=8, most=64)
    assert machine.seen == [8, 5, 3, 2, 1, 1, 1, 2]
    assert found == 1
