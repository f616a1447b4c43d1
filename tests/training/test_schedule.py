import math
from itertools import pairwise

import pytest

from pptsn.training.schedule import learning_rate

PUBLISHED = {"epochs": 100, "base_rate": 0.01, "warmup_epochs": 10, "warmup_rate": 0.005}


def test_the_warm_up_is_a_straight_line_that_meets_the_cosine():
    rates = [learning_rate(i, iterations_per_epoch=4, **PUBLISHED) for i in range(42)]
    steps = [after - before for before, after in pairwise(rates[:41])]
    assert rates[0] == 0.005
    assert max(steps) - min(steps) < 1e-12
    assert rates[40] == pytest.approx(0.01 * (1 + math.cos(math.pi / 10)) / 2)


def test_the_cosine_ends_at_zero_and_is_half_in_the_middle():
    assert learning_rate(200, iterations_per_epoch=4, **PUBLISHED) == pytest.approx(0.005)
    assert learning_rate(400, iterations_per_epoch=4, **PUBLISHED) == pytest.approx(0, abs=1e-12)


def test_without_warm_up_it_starts_at_the_base_rate():
    options = {**PUBLISHED, "warmup_epochs": 0}
    assert learning_rate(0, iterations_per_epoch=4, **options) == 0.01


@pytest.mark.shared
def test_the_reference_rates_are_met(reference):
    config = reference["lr_config"]
    for iteration, expected in reference["lr"]:
        rate = learning_rate(
            iteration,
            iterations_per_epoch=config["iters_per_epoch"],
            epochs=config["max_epoch"],
            base_rate=config["cosine_base_lr"],
            warmup_epochs=config["warmup_epochs"],
            warmup_rate=config["warmup_start_lr"],
        )
        assert rate == pytest.approx(expected, abs=1e-9)
