import numpy as np
import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.training.losses import cross_entropy
from pptsn.training.network._paddle import paddle
from pptsn.training.network.network import PPTSN
from pptsn.training.network.weights import state_of
from pptsn.training.optimizer import RecipeOptimizer, parameter_rule
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


def test_three_steps_are_nesterov_momentum_by_hand():
    """Velocity v = 0.9 v + g; p -= rate * (g + 0.9 v), where g is the gradient plus decay * p."""
    model, decay, rate = _Tiny(), 0.03, 0.02
    optimizer = RecipeOptimizer(model, weight_decay=decay)
    learned = {name: p for name, p in model.named_parameters() if not p.stop_gradient}
    expected = {name: p.numpy().astype(np.float64) for name, p in learned.items()}
    velocity = {name: np.zeros_like(value) for name, value in expected.items()}
    for _ in range(3):
        loss = _loss(model)
        gradients = paddle.grad(_loss(model), list(learned.values()))
        for (name, value), gradient in zip(expected.items(), gradients, strict=True):
            factor, coefficient = parameter_rule(name, weight_decay=decay)
            g = gradient.numpy() + coefficient * value
            velocity[name] = 0.9 * velocity[name] + g
            expected[name] = value - rate * factor * (g + 0.9 * velocity[name])
        optimizer.set_rate(rate)
        optimizer.step(loss)
        for name, parameter in learned.items():
            assert parameter.numpy() == pytest.approx(expected[name], abs=1e-5), name
            assert parameter.grad is None or not parameter.grad.numpy().any()


def test_velocities_survive_a_change_of_the_process():
    model = _Tiny()
    first = RecipeOptimizer(model)
    assert first.state() == {}
    first.set_rate(0.1)
    first.step(_loss(model))
    weights, velocities = state_of(model), first.state()
    assert set(velocities) == {f"{n}.velocity" for n, p in model.named_parameters() if not p.stop_gradient}
    first.step(_loss(model))

    other = _Tiny()
    other.set_state_dict(weights)
    second = RecipeOptimizer(other)
    second.load_state(velocities, source="x")
    second.set_rate(0.1)
    second.step(_loss(other))
    for name, value in state_of(model).items():
        assert np.array_equal(value, state_of(other)[name]), name


def test_velocities_of_another_model_are_refused():
    with pytest.raises(ModelError, match=r"x\.pdopt: does not hold the 5 velocities"):
        RecipeOptimizer(_Tiny()).load_state({"a.velocity": np.zeros(3)}, source="x.pdopt")


@pytest.mark.shared
def test_three_steps_on_the_reference_batch_do_what_the_original_did(shared_dir, reference):
    expected = reference["train"]
    before = seeded_state(shared_dir)
    model = PPTSN(50, 400, drop_ratio=expected["drop_ratio"])
    model.set_state_dict(before)
    model.train()
    optimizer = RecipeOptimizer(model, momentum=expected["momentum"], weight_decay=expected["l2"])
    optimizer.set_rate(expected["lr"])
    with np.load(shared_dir / "reference" / "train_batch.npz") as stored:
        clips = paddle.to_tensor(stored["x"].astype(np.float32))
    labels = paddle.to_tensor(expected["labels"])
    for loss_before in expected["loss_per_step"]:
        loss = cross_entropy(model(clips), labels, smoothing=expected["label_smoothing"])
        optimizer.step(loss)
        assert float(loss) == pytest.approx(loss_before, rel=1e-3)
    after = state_of(model)
    for name, norms in expected["after_3_steps"].items():
        value = after[name].astype(np.float64)
        assert value.sum() == pytest.approx(norms["sum"], rel=1e-4), name
        assert np.linalg.norm(value) == pytest.approx(norms["l2"], rel=1e-4), name
        assert np.linalg.norm(value - before[name]) == pytest.approx(norms["delta_l2"], rel=0.02), name
