import time

import pytest

from benchmarks.timing import interleaved, median_ratio


def test_candidates_run_in_turn_after_a_warm_up() -> None:
    calls: list[str] = []
    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert {name: len(ms) for name, ms in times.items()} == {"a": 3, "b": 3}


def test_times_are_milliseconds() -> None:
    (ms,) = interleaved({"sleep": lambda: time.sleep(0.02)}, repeats=1)["sleep"]
    assert ms >= 20


def test_ratios_compare_repeats_side_by_side() -> None:
    # The machine slowed down tenfold in the second repeat; the ratio does not care.
    times = {"new": [1.0, 10.0, 1.1], "old": [2.0, 20.0, 2.0]}
    assert median_ratio(times, "new", "old") == pytest.approx(0.5)
