"""Percentiles, the samples that they need, and intervals of the median, against values told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pptsn.benchmarks.measure.percentiles import (
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


@pytest.mark.parametrize(("share", "needed"), [(0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)])
def test_a_percentile_needs_a_sample_beyond_it(share: float, needed: int) -> None:
    assert least_samples(share) == needed
    ordered = list(range(needed))
    assert percentile(ordered, share) < ordered[-1]


def test_a_median_is_one_of_any() -> None:
    assert least_samples(0.5) == 1


def test_few_samples_have_no_interval() -> None:
    assert interval_of([]) is None
    assert interval_of([3.0, 1.0, 2.0, 4.0, 5.0]) is None
    assert interval_of(list(range(35)), 0.9) is None
    assert interval_of(list(range(36)), 0.9) is not None
    assert interval_of(list(range(367)), 0.99) is None
    assert interval_of(list(range(368)), 0.99) is not None


@pytest.mark.parametrize(("count", "left_out"), [(6, 0), (8, 0), (9, 1), (12, 2), (20, 5), (30, 9)])
def test_intervals_are_those_of_the_sign_test(count: int, left_out: int) -> None:
    # The tables of the sign test: n = 9 leaves out one at either end, n = 20 five, n = 30 nine.
    assert interval_of(list(range(count))) == (left_out, count - 1 - left_out)


@pytest.mark.parametrize(("share", "count"), [(0.5, 6), (0.5, 25), (0.9, 60), (0.99, 500), (0.9, 1500)])
@pytest.mark.slow
def test_intervals_hold_the_percentile_as_often_as_they_promise(share: float, count: int) -> None:
    rng, true = np.random.default_rng(1), -np.log(1 - share)
    intervals = [interval_of(rng.exponential(size=count).tolist(), share) for _ in range(1000)]
    assert np.mean([low <= true <= high for low, high in filter(None, intervals)]) >= 0.94


def test_many_samples_have_the_ranks_that_fewer_lead_to() -> None:
    for share in (0.5, 0.9):
        exact, normal = interval_of(list(range(999)), share), interval_of(list(range(1000)), share)
        assert exact is not None
        assert normal is not None
        assert np.abs(np.subtract(exact, normal)).max() <= 2


def test_repeats_become_their_median_with_an_interval() -> None:
    odd = over_repeats("x_ms", [3.0, 1.0, 2.0], unit="ms", better="lower")
    assert (odd.value, odd.low, odd.high, odd.repeats, odd.samples) == (2.0, 1.0, 3.0, (3.0, 1.0, 2.0), 3)
    even = over_repeats("x_ms", [1.0, 2.0, 4.0, 8.0], unit="ms", better="lower", samples=40)
    assert (even.value, even.samples) == (3.0, 40)


def test_no_repeats_are_a_figure_that_is_not_known() -> None:
    none = over_repeats("x_ms", [], unit="ms", better="lower")
    assert (none.value, none.note) == (None, "was not measured")


def test_a_few_repeats_have_their_range_as_interval_and_one_has_none() -> None:
    two = over_repeats("x_ms", [3.0, 1.0], unit="ms", better="lower")
    assert (two.low, two.high) == (1.0, 3.0)
    one = over_repeats("x_ms", [3.0], unit="ms", better="lower")
    assert (one.value, one.low, one.high) == (3.0, None, None)


def test_a_percentile_is_that_of_all_samples_and_each_repeat_with_enough_has_its_own() -> None:
    repeats = [[float(value) for value in range(start, start + 100)] for start in (0, 10, 50)]
    found = percentile_over_repeats("latency_p99_ms", 0.99, repeats)
    assert (found.value, found.samples) == (146.0, 300)
    assert found.repeats == (98.0, 108.0, 148.0)
    assert (found.low, found.high) == (None, None)  # it would take 368
    median = percentile_over_repeats("latency_p50_ms", 0.5, repeats)
    assert median.low is not None
    assert median.low < (median.value or 0) < (median.high or 0)


def test_repeats_with_too_few_samples_each_give_a_percentile_together() -> None:
    found = percentile_over_repeats("latency_p90_ms", 0.9, [[1.0] * 5, [2.0] * 5])
    assert (found.value, found.low, found.samples, found.repeats, found.note) == (2.0, None, 10, (), "")


def test_too_few_samples_give_no_percentile_but_a_reason() -> None:
    found = percentile_over_repeats("latency_p99_ms", 0.99, [[1.0] * 50, [2.0] * 49])
    assert (found.value, found.samples) == (None, 99)
    assert found.note == "needs at least 100 samples, got 99: measure for longer"
    assert percentile_over_repeats("latency_p99_ms", 0.99, []).value is None
