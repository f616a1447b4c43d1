"""The divergence from a teacher against NumPy, and what its gradients do."""

import numpy as np
import pytest

from pptsn.training.distillation.objective import divergences, mixed_divergence
from pptsn.training.learning.losses import Mix
from pptsn.training.network._paddle import paddle

TEMPERATURES = (0.5, 1.0, 4.0)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Logits of a student and of a teacher, of five clips and seven classes."""
    return tuple(np.random.default_rng(1).normal(scale=3, size=(2, 5, 7)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def _by_hand(student: np.ndarray, teacher: np.ndarray, temperature: float) -> np.ndarray:
    q, p = _softmax(student / temperature), _softmax(teacher / temperature)
    return temperature**2 * (p * np.log(p / q)).sum(axis=1)


def _tensors(*arrays: np.ndarray) -> list:
    return [paddle.to_tensor(array.astype(np.float32)) for array in arrays]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_it_is_the_formula_of_its_docstring(pair, temperature):
    found = divergences(*_tensors(*pair), temperature=temperature).numpy()
    assert found == pytest.approx(_by_hand(*pair, temperature), rel=1e-4)


def test_scores_that_vanish_in_single_precision_leave_it_finite():
    student, teacher = np.array([[0.0, 1e4]]), np.array([[1e4, 0.0]])
    found = divergences(*_tensors(student, teacher), temperature=1.0).numpy()
    assert found == pytest.approx([1e4])


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_its_gradient_is_that_of_differences_and_none_goes_to_the_teacher(pair, temperature):
    student, teacher = _tensors(*pair)
    student.stop_gradient = teacher.stop_gradient = False
    divergences(student, teacher, temperature=temperature).sum().backward()
    assert teacher.grad is None
    expected = np.empty_like(pair[0])
    for place in np.ndindex(expected.shape):
        step = np.zeros_like(expected)
        step[place] = 1e-5
        ends = [_by_hand(pair[0] + sign * step, pair[1], temperature).sum() for sign in (1, -1)]
        expected[place] = (ends[0] - ends[1]) / 2e-5
    assert student.grad.numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_teachers_answers_are_mixed_and_weighted_as_labels_are(pair, share, weighted):
    labels, partners = np.array([0, 6, 3, 3, 1]), np.array([4, 2, 0, 1, 3])
    weights = np.array([0.5, 2, 1, 0.25, 3, 1, 0.1]) if weighted else np.ones(7)
    found = mixed_divergence(
        *_tensors(*pair),
        paddle.to_tensor(labels),
        Mix(share, partners),
        temperature=2.0,
        weights=_tensors(weights)[0] if weighted else None,
    )
    student, teacher = pair
    own = (weights[labels] * _by_hand(student, teacher, 2.0)).mean()
    other = (weights[labels[partners]] * _by_hand(student, teacher[partners], 2.0)).mean()
    assert float(found) == pytest.approx(share * own + (1 - share) * other, rel=1e-4)
