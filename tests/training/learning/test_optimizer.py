import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.training.learning.losses import cross_entropy
from pptsn.training.learning.optimizer import RecipeOptimizer, learning_rate, parameter_rule
from pptsn.training.network._paddle import paddle
from pptsn.training.network.weights import state_of
from tests.training.published import seeded_state


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("backbone.conv1_1._conv.weight", (1, 1e-4)),
        ("backbone.bb_0_0.short._conv.weight", (1, 1e-4)),
        ("backbone.conv1_1._batch_norm.weight", (1, 0)),
        ("backbone.conv1_1._batch_norm.bias", (1, 0)),
        ("head.fc.weight", (5, 1e-4)),
        ("head.fc.bias", (10, 0)),
    ],
)
def test_batch_norm_and_the_classifier_are_exceptions(name, rule):
    assert parameter_rule(name, weight_decay=1e-4) == rule


class _Tiny(paddle.nn.Layer):
    """A network with the published names of a convolution, its batch norm and the classifier."""

    def __init__(self) -> None:
        super().__init__()
        paddle.seed(3)
        self.stem = paddle.nn.Layer()
        self.stem._conv = paddle.nn.Conv2D(3, 4, 1, bias_attr=False)
        self.stem._batch_norm = paddle.nn.BatchNorm2D(4)
        self.head = paddle.nn.Layer()
        self.head.fc = paddle.nn.Linear(4, 5)

    def forward(self, x):
        return self.head.fc(self.stem._batch_norm(self.stem._conv(x)).mean(axis=[2, 3]))


def _loss(model):
    x = paddle.to_tensor(np.random.default_rng(4).normal(size=(6, 3, 2, 2)).astype(np.float32))
    return cross_entropy(model(x), paddle.to_tensor(np.arange(6) % 5))


@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_three_steps_are_nesterov_momentum_by_hand(clip_norm):
    """Velocity v = 0.9 v + g; p -= rate * (g + 0.9 v), where g is the (clipped) gradient plus decay * p."""
    model, decay, rate = _Tiny(), 0.03, 0.02
    optimizer = RecipeOptimizer(model, weight_decay=decay, clip_norm=clip_norm)
    learned = {name: p for name, p in model.named_parameters() if not p.stop_gradient}
    expected = {name: p.numpy().astype(np.float64) for name, p in learned.items()}
    velocity = {name: np.zeros_like(value) for name, value in expected.items()}
    for _ in range(3):
        loss = _loss(model)
        gradients = [g.numpy() for g in paddle.grad(_loss(model), list(learned.values()))]
        norm = math.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in gradients))
        share = 1.0 if clip_norm is None else clip_norm / norm
        assert share <= 1
        for (name, value), gradient in zip(expected.items(), gradients, strict=True):
            factor, coefficient = parameter_rule(name, weight_decay=decay)
            g = share * gradient + coefficient * value
            velocity[name] = 0.9 * velocity[name] + g
            expected[name] = value - rate * factor * (g + 0.9 * velocity[name])
        optimizer.set_rate(rate)
        optimizer.add(loss)
        optimizer.step()
        for name, parameter in learned.items():
            assert parameter.numpy() == pytest.approx(expected[name], abs=1e-5), name
            assert parameter.grad is None or not parameter.grad.numpy().any()


def test_velocities_survive_a_change_of_the_process():
    model = _Tiny()
    first = RecipeOptimizer(model)
    assert first.state() == {}
    first.set_rate(0.1)
    first.add(_loss(model))
    first.step()
    weights, velocities = state_of(model), first.state()
    assert set(velocities) == {f"{n}.velocity" for n, p in model.named_parameters() if not p.stop_gradient}
    first.add(_loss(model))
    first.step()

    other = _Tiny()
    other.set_state_dict(weights)
    second = RecipeOptimizer(other)
    second.load_state(velocities, source="x")
    second.set_rate(0.1)
    second.add(_loss(other))
    second.step()
    for name, value in state_of(model).items():
        assert np.array_equal(value, state_of(other)[name]), name


def test_velocities_of_another_model_are_refused():
    with pytest.raises(ModelError, match=r"x\.pdopt: does not hold the 5 velocities"):
        RecipeOptimizer(_Tiny()).load_state({"a.velocity": np.zeros(3)}, source="x.pdopt")


def _steps_on_the_reference_batch(steps: int, shared_dir: Path, folder: Path) -> dict[str, np.ndarray]:
    """Return the losses and weights of `tests.training.reference_steps`.

    In one arithmetic on every processor: rounding the input otherwise moves the third loss by some per cent.
    """
    environment = {**os.environ, "MKL_CBWR": "COMPATIBLE"}
    command = [
        sys.executable,
        "-m",
        "tests.training.reference_steps",
        str(steps),
        str(shared_dir),
        str(folder / "steps.npz"),
    ]
    subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parents[3])
    with np.load(folder / "steps.npz") as stored:
        return dict(stored)


@pytest.mark.shared
@pytest.mark.slow
def test_a_step_on_the_reference_batch_leads_to_the_loss_of_the_original(shared_dir, reference, tmp_path):
    after = _steps_on_the_reference_batch(1, shared_dir, tmp_path)
    assert after["losses"] == pytest.approx(reference["train"]["loss_per_step"][:2], rel=1e-3)


@pytest.mark.slow
@pytest.mark.shared
def test_three_steps_on_the_reference_batch_do_what_the_original_did(shared_dir, reference, tmp_path):
    after = _steps_on_the_reference_batch(3, shared_dir, tmp_path)
    expected = reference["train"]
    before = seeded_state(shared_dir)
    assert after.pop("losses")[:3] == pytest.approx(expected["loss_per_step"], rel=1e-3)
    for name, norms in expected["after_3_steps"].items():
        value = after[name].astype(np.float64)
        assert value.sum() == pytest.approx(norms["sum"], rel=1e-4), name
        assert np.linalg.norm(value) == pytest.approx(norms["l2"], rel=1e-4), name
        assert np.linalg.norm(value - before[name]) == pytest.approx(norms["delta_l2"], rel=0.02), name


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
