"""Percentiles, the samples that they need, and intervals of the median, against values told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.percentiles import (
    interval_of,
    least_samples,
    over_repeats,
    percentile,
    percentile_over_repeats,
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.9, 90), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_percentiles_are_values_that_occurred_by_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_the_percentile_agrees_with_numpys_nearest_rank() -> None:
    samples = np.random.default_rng(0).exponential(size=137).tolist()
    for share in (0.1, 0.5, 0.9, 0.99):
        assert percentile(samples, share) == np.percentile(samples, 100 * share, method="inverted_cdf")


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


@pytest.mark.parametrize(("share", "needed"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)])
def test_a_percentile_needs_a_sample_beyond_it(share: float, needed: int) -> None:
    assert least_samples(share) == needed
    ordered = list(range(needed))
    assert percentile(ordered, share) < ordered[-1]


def test_few_repeats_have_their_range_as_interval() -> None:
    assert interval_of([3.0]) == (3.0, 3.0)
    assert interval_of([5.0, 1.0, 3.0]) == (1.0, 5.0)
    assert interval_of([1.0, 2.0, 3.0, 4.0, 5.0]) == (1.0, 5.0)


@pytest.mark.parametrize(("count", "left_out"), [(6, 0), (8, 0), (9, 1), (12, 2), (20, 5), (30, 9)])
def test_intervals_are_those_of_the_sign_test(count: int, left_out: int) -> None:
    # The tables of the sign test: n = 9 leaves out one at either end, n = 20 five, n = 30 nine.
    assert interval_of(list(range(count))) == (left_out, count - 1 - left_out)


def test_intervals_hold_the_median_as_often_as_they_promise() -> None:
    rng = np.random.default_rng(1)
    for count, promised in ((3, 0.75), (5, 0.9375), (12, 0.95)):
        intervals = [interval_of(rng.exponential(size=count).tolist()) for _ in range(4000)]
        held = np.mean([low <= np.log(2) <= high for low, high in intervals])
        assert held >= promised - 0.02


def test_repeats_become_their_median_with_an_interval() -> None:
    odd = over_repeats("x_ms", [3.0, 1.0, 2.0], unit="ms", better="lower")
    assert (odd.value, odd.low, odd.high, odd.repeats, odd.samples) == (2.0, 1.0, 3.0, (3.0, 1.0, 2.0), 3)
    even = over_repeats("x_ms", [1.0, 2.0, 4.0, 8.0], unit="ms", better="lower", samples=40)
    assert (even.value, even.samples) == (3.0, 40)


def test_no_repeats_are_a_figure_that_is_not_known() -> None:
    none = over_repeats("x_ms", [], unit="ms", better="lower")
    assert (none.value, none.note) == (None, "was not measured")


def test_repeats_with_samples_enough_each_have_their_own_percentile() -> None:
    repeats = [[float(value) for value in range(start, start + 100)] for start in (0, 10, 50)]
    found = percentile_over_repeats("latency_p99_ms", 0.99, repeats)
    assert (found.value, found.low, found.high) == (108.0, 98.0, 148.0)
    assert (found.samples, found.note) == (300, "")


def test_repeats_with_too_few_samples_are_taken_together_and_it_is_said() -> None:
    found = percentile_over_repeats("latency_p90_ms", 0.9, [[1.0] * 5, [2.0] * 5])
    assert (found.value, found.low, found.samples) == (2.0, None, 10)
    assert "fewer than 10 samples" in found.note


def test_too_few_samples_give_no_percentile_but_a_reason() -> None:
    found = percentile_over_repeats("latency_p99_ms", 0.99, [[1.0] * 50, [2.0] * 49])
    assert (found.value, found.samples) == (None, 99)
    assert found.note == "needs at least 100 samples, got 99: measure for longer"
    assert percentile_over_repeats("latency_p99_ms", 0.99, []).value is None
