import numpy as np
import pytest

from pptsn.training.losses import cross_entropy, mixup_cross_entropy
from pptsn.training.network._paddle import paddle


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)


def _by_hand(scores: np.ndarray, labels: np.ndarray, smoothing: float) -> float:
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    hit = log_p[np.arange(len(labels)), labels]
    return float(-((1 - smoothing) * hit + smoothing * log_p.mean(axis=1)).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_it_is_the_formula_of_its_docstring(scores, smoothing, shape):
    labels = np.array([0, 6, 3, 3, 1])
    loss = cross_entropy(paddle.to_tensor(scores), paddle.to_tensor(labels.reshape(shape)), smoothing=smoothing)
    assert float(loss) == pytest.approx(_by_hand(scores, labels, smoothing), rel=1e-5)


def test_mixup_weighs_the_two_label_sets(scores):
    first, second = np.array([0, 1, 2, 3, 4]), np.array([6, 5, 4, 3, 2])
    loss = mixup_cross_entropy(
        paddle.to_tensor(scores), paddle.to_tensor(first), paddle.to_tensor(second), 0.3, smoothing=0.1
    )
    expected = 0.3 * _by_hand(scores, first, 0.1) + 0.7 * _by_hand(scores, second, 0.1)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.shared
def test_the_reference_losses_are_met(shared_dir, reference):
    with np.load(shared_dir / "reference" / "loss.npz") as stored:
        scores, a, b = (paddle.to_tensor(stored[name]) for name in ("scores", "labels_a", "labels_b"))
    expected = reference["loss"]
    assert float(cross_entropy(scores, a, smoothing=0.1)) == pytest.approx(expected["smooth"], rel=1e-4)
    assert float(cross_entropy(scores, a)) == pytest.approx(expected["valid"], rel=1e-4)
    mixed = mixup_cross_entropy(scores, a, b, 0.3, smoothing=0.1)
    assert float(mixed) == pytest.approx(expected["mixup_lam_0.3"], rel=1e-4)
