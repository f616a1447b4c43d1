import numpy as np
import pytest

from pptsn.training.learning.averaging import WeightAverage, decay_after
from pptsn.training.network._paddle import nn
from pptsn.training.network.weights import state_of


def _network() -> nn.Layer:
    return nn.Sequential(nn.Conv2D(3, 2, 1), nn.BatchNorm2D(2))


def _draw(model: nn.Layer, rng: np.random.Generator) -> None:
    for value in model.state_dict().values():
        value.set_value(rng.normal(size=value.shape).astype(np.float32))


@pytest.mark.parametrize(
    ("steps", "decay", "expected"),
    [(0, 0.99, 0.1), (8, 0.99, 0.5), (890, 0.99, 0.99), (10**6, 0.99, 0.99), (0, 0.05, 0.05)],
)
def test_the_decay_warms_up_to_what_is_asked_for(steps, decay, expected):
    assert decay_after(steps, decay=decay) == pytest.approx(expected)


def test_parameters_and_statistics_are_averaged_as_by_hand():
    rng, model = np.random.default_rng(1), _network()
    _draw(model, rng)
    average = WeightAverage(model, decay=0.4)
    expected = {name: value.astype(np.float64) for name, value in state_of(model).items()}
    for step in range(6):
        _draw(model, rng)
        average.update(step, model.state_dict())
        share = min(0.4, (1 + step) / (10 + step))
        for name, value in state_of(model).items():
            expected[name] = share * expected[name] + (1 - share) * value
    found = average.state()
    assert found.keys() == expected.keys() == model.state_dict().keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_in_place_the_model_is_the_average_and_after_it_what_it_was():
    rng, model = np.random.default_rng(2), _network()
    average = WeightAverage(model, decay=0.4)
    _draw(model, rng)
    average.update(0, model.state_dict())
    own, averaged = state_of(model), average.state()
    with average.in_place():
        held = state_of(model)
        model[1]._mean.set_value(np.array([5, 6], np.float32))
    assert all(np.array_equal(held[name], averaged[name]) for name in held)
    assert all(np.array_equal(value, own[name]) for name, value in state_of(model).items())
    assert average.state()["1._mean"].tolist() == [5, 6]
    assert np.array_equal(average.state()["0.weight"], averaged["0.weight"])


def test_an_error_in_place_leaves_the_model_as_it_was():
    model = _network()
    average = WeightAverage(model, decay=0.4)
    _draw(model, np.random.default_rng(3))
    own = state_of(model)
    with pytest.raises(KeyboardInterrupt), average.in_place():
        raise KeyboardInterrupt
    assert all(np.array_equal(value, own[name]) for name, value in state_of(model).items())


def test_what_stands_still_is_its_own_average_to_the_bit():
    model = _network()
    _draw(model, np.random.default_rng(4))
    average, own = WeightAverage(model, decay=0.9), state_of(model)
    for step in range(5):
        average.update(step, model.state_dict())
    assert all(np.array_equal(value, own[name]) for name, value in average.state().items())
