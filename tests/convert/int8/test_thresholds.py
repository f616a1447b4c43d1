import numpy as np
import pytest

from pptsn.convert.int8.histogram import METHODS, Histogram


def threshold(method: str, values: np.ndarray, levels: int = 128) -> float:
    histogram = Histogram()
    histogram.add(values.astype(np.float32))
    return METHODS[method](*histogram.magnitudes(), levels)


@pytest.fixture(scope="module")
def outlier() -> np.ndarray:
    """A million values around 1 and one of 100."""
    return np.append(np.abs(np.random.default_rng(0).normal(0, 1, 1_000_000)), 100)


def test_min_max_covers_every_value(outlier: np.ndarray) -> None:
    assert threshold("min-max", outlier) == pytest.approx(100, rel=1e-3)


def test_percentiles_leave_out_their_share(outlier: np.ndarray) -> None:
    for method, percentage in {"percentile": 99.99, "percentile-99.9": 99.9, "percentile-99": 99.0}.items():
        assert threshold(method, outlier) == pytest.approx(np.percentile(outlier, percentage), rel=0.02)


def test_entropy_and_squared_error_clip_a_lonely_outlier(outlier: np.ndarray) -> None:
    assert 2 < threshold("entropy", outlier) < 20
    # Half a step of rounding, squared, of a million values outweighs what one loses by clipping.
    assert 2 < threshold("mse", outlier) < 99


def test_more_levels_leave_room_for_a_wider_range() -> None:
    skewed = np.random.default_rng(0).exponential(1, 1_000_000) ** 2
    for method in ("mse", "entropy"):
        assert threshold(method, skewed, 256) > 1.05 * threshold(method, skewed, 128)


def test_squared_error_is_the_least_of_all_methods(outlier: np.ndarray) -> None:
    def error(limit: float) -> float:
        step = limit / 127
        return float(np.mean((outlier - np.minimum(np.rint(outlier / step), 127) * step) ** 2))

    errors = {method: error(threshold(method, outlier)) for method in METHODS}
    assert min(errors, key=errors.__getitem__) == "mse"


@pytest.mark.parametrize("method", METHODS)
def test_an_even_distribution_keeps_its_range(method: str) -> None:
    assert threshold(method, np.linspace(-3, 3, 200_001)) == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_the_zeros_behind_a_relu_do_not_move_the_range(method: str) -> None:
    positive = np.abs(np.random.default_rng(0).normal(0, 1, 100_000))
    alone = threshold(method, positive)
    with_zeros = threshold(method, np.append(positive, np.zeros(100_000)))
    assert with_zeros == pytest.approx(alone, rel=0.15)


@pytest.mark.parametrize("method", METHODS)
def test_a_dead_tensor_has_a_threshold_above_zero(method: str) -> None:
    assert threshold(method, np.zeros(100)) > 0
