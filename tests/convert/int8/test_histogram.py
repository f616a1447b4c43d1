import numpy as np
import pytest

from pptsn.convert.int8.histogram import BINS, Histogram


def counted(*batches: np.ndarray) -> Histogram:
    histogram = Histogram()
    for batch in batches:
        histogram.add(batch.astype(np.float32))
    return histogram


def test_every_value_is_counted_once_in_the_bin_that_covers_it() -> None:
    values = np.random.default_rng(0).normal(0, 1, 10_000).astype(np.float32)
    histogram = counted(values)
    edges = np.linspace(-histogram.limit, histogram.limit, 2 * BINS + 1)
    expected = np.histogram(values, edges)[0]
    # A value on an edge, up to rounding, may count on either side.
    assert np.abs(np.cumsum(histogram.counts) - np.cumsum(expected)).max() <= 2
    assert (histogram.low, histogram.high) == (values.min(), values.max())


def test_batches_of_growing_range_give_what_one_batch_gives() -> None:
    rng = np.random.default_rng(1)
    batches = [rng.normal(0, spread, 1000) for spread in (0.01, 1, 30)]
    assert counted(*batches).limit == counted(np.concatenate(batches)).limit
    apart, together = counted(*batches).counts, counted(np.concatenate(batches)).counts
    assert np.abs(np.cumsum(apart) - np.cumsum(together)).max() <= 3
    assert apart.sum() == together.sum() == 3000


def test_the_range_never_takes_less_than_half_of_the_bins() -> None:
    for largest in (0.9, 1.0, 1.1, 1000.0):
        counts, width = counted(np.array([0.0, largest])).magnitudes()
        assert BINS / 2 <= len(counts) <= BINS
        assert len(counts) * width == pytest.approx(largest, rel=2 / BINS)


def test_magnitudes_fold_negative_values_onto_positive_ones() -> None:
    counts, width = counted(np.array([-1.0, -0.25, 0.25, 0.5])).magnitudes()
    assert counts.sum() == 4
    assert counts[int(0.25 / width) - 1 : int(0.25 / width) + 1].sum() == 2


def test_a_tensor_of_zeros_has_a_range() -> None:
    counts, width = counted(np.zeros(5)).magnitudes()
    assert counts.sum() == 5
    assert width > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        counted(np.array([1.0, bad]))
