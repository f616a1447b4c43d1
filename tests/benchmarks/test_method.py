"""How things are timed: warm-up, turns, length and number of repeats."""

from __future__ import annotations

import time

import pytest

from pptsn.benchmarks.measure import method as timing
from pptsn.benchmarks.measure.method import Method, measure, measure_in_turn, timed_ms


class Watch:
    """Notes when it is asked to look."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def look(self) -> None:
        self._calls.append("|")


def brief(calls: list[str], **options: int) -> Method:
    return Method(least_s=0, watch=Watch(calls), **options)  # type: ignore[arg-type]


def test_candidates_run_in_turn_after_a_warm_up_in_every_repeat_in_the_opposite_order() -> None:
    calls: list[str] = []
    method = brief(calls, repeats=3, least_iterations=3)
    found = measure_in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, method)
    assert "".join(calls) == "ab" + "|ab" + "|ba" + "|ab" + "|"
    assert {name: [len(times) for times in repeats] for name, repeats in found.items()} == {
        "a": [1, 1, 1],
        "b": [1, 1, 1],
    }


def test_all_repeats_together_have_the_iterations_asked_for() -> None:
    calls: list[str] = []
    repeats = measure(lambda: calls.append("a"), brief(calls, repeats=3, least_iterations=10))
    assert [len(times) for times in repeats] == [4, 4, 4]
    assert calls.count("a") == 13


def test_all_repeats_together_take_the_seconds_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "timed_ms", lambda run: 100.0)
    repeats = measure(lambda: None, Method(repeats=3, least_s=3.0, least_iterations=1))
    assert [sum(times) for times in repeats] == [1000.0] * 3


def test_the_defaults_are_three_seconds_and_ten_iterations() -> None:
    assert (Method().least_s, Method().least_iterations) == (3.0, 10)
    assert Method().repeats >= 3


def test_times_are_milliseconds() -> None:
    assert 20 <= timed_ms(lambda: time.sleep(0.02)) < 2000


def test_times_do_not_go_by_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: pytest.fail("asked the wall clock"))
    calls: list[str] = []
    measure(lambda: None, brief(calls, repeats=1))


def test_a_failure_of_what_is_measured_comes_through() -> None:
    def broken() -> None:
        raise OSError("no such clip")

    with pytest.raises(OSError, match="no such clip"):
        measure(broken, Method(repeats=1))
