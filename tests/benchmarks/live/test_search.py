"""The search, with trials that cost nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.live.search import search
from benchmarks.live.trial import Trial


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


def test_it_doubles_then_bisects_then_tries_the_answer_again() -> None:
    _, trials = search(trials_of(21), start=8, most=64)
    assert [trial.streams for trial in trials] == [8, 16, 32, 24, 20, 22, 21, 21]


def test_where_the_first_count_fails_it_goes_below() -> None:
    _, trials = search(trials_of(1), start=9, most=64)
    assert [trial.streams for trial in trials] == [9, 4, 2, 1, 1]


def test_where_not_one_stream_holds_the_answer_is_none() -> None:
    found, trials = search(trials_of(0), start=9, most=64)
    assert (found, trials[-1].streams) == (0, 1)


def test_no_more_streams_are_tried_than_allowed() -> None:
    found, trials = search(trials_of(1000), start=8, most=20)
    assert found == 20
    assert [trial.streams for trial in trials] == [8, 16, 20, 20]


def test_an_answer_that_does_not_hold_again_is_lowered() -> None:
    seen: list[int] = []

    def run(streams: int) -> Trial:
        seen.append(streams)
        return trial(streams, held=streams <= 14 and not (streams == 14 and seen.count(14) > 1))

    found, trials = search(run, start=8, most=64)
    assert seen == [8, 16, 12, 14, 15, 14, 13, 13]
    assert found == 13
    assert [trial.held for trial in trials if trial.streams == 13] == [True, True]


def test_it_comes_to_an_end_whatever_the_machine_does() -> None:
    held = iter([True] * 3 + [False, True] * 30)
    found, trials = search(lambda streams: trial(streams, held=next(held)), start=8, most=64)
    assert all(trial.held for trial in trials if trial.streams == found)
    assert len(trials) < 40
