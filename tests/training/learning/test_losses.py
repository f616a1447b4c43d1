import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.training.learning.losses import Mix, class_weights, cross_entropy, draw_mix, mixup_cross_entropy
from pptsn.training.network._paddle import paddle


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)


def _by_hand(scores: np.ndarray, labels: np.ndarray, smoothing: float, weights: np.ndarray | None = None) -> float:
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    hit = log_p[np.arange(len(labels)), labels]
    losses = -((1 - smoothing) * hit + smoothing * log_p.mean(axis=1))
    return float((losses if weights is None else weights[labels] * losses).mean())


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


WEIGHTS = np.array([0.5, 2, 1, 0.25, 3, 1, 0.1], np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_clips_are_weighted_by_the_class_of_their_label_whatever_mixup_and_smoothing_do(scores, smoothing):
    first, second = np.array([0, 1, 2, 3, 4]), np.array([6, 5, 4, 3, 2])
    loss = mixup_cross_entropy(
        *map(paddle.to_tensor, (scores, first, second)),
        0.3,
        smoothing=smoothing,
        weights=paddle.to_tensor(WEIGHTS),
    )
    expected = 0.3 * _by_hand(scores, first, smoothing, WEIGHTS) + 0.7 * _by_hand(
        scores, second, smoothing, WEIGHTS
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_parts_of_a_batch_have_the_weighted_loss_of_the_whole(scores):
    labels, weights = np.array([0, 1, 2, 3]), paddle.to_tensor(WEIGHTS)

    def loss(rows: slice) -> float:
        tensors = (paddle.to_tensor(array[rows]) for array in (scores[:4], labels))
        return float(cross_entropy(*tensors, weights=weights))

    assert (loss(slice(2)) + loss(slice(2, 4))) / 2 == pytest.approx(loss(slice(4)), rel=1e-6)


def test_by_inverse_frequency_all_classes_that_have_clips_count_alike():
    counts = np.array([1, 3, 0, 4])
    weights = class_weights("inverse_frequency", counts)
    assert weights.tolist() == pytest.approx([8 / 3, 8 / 9, 0, 8 / 12])
    assert (weights * counts).tolist() == pytest.approx([8 / 3, 8 / 3, 0, 8 / 3])


@pytest.mark.parametrize("scale", [1, 100, 5e307])
def test_of_numbers_by_class_the_ratios_count(scale):
    weights = class_weights((1.0 * scale, 3.0 * scale, 2.0 * scale), np.array([5, 1, 2]))
    assert weights.tolist() == pytest.approx([8 / 12, 2, 16 / 12])


def test_as_many_numbers_as_classes_are_wanted():
    message = (
        r"^optimizer\.class_weights: has 2 numbers, and there are 3 classes; give one for each class, or inverse"
    )
    with pytest.raises(UsageError, match=message):
        class_weights((1.0, 2.0), np.array([5, 1, 2]))


@pytest.mark.shared
def test_the_reference_losses_are_met(shared_dir, reference):
    with np.load(shared_dir / "reference" / "loss.npz") as stored:
        scores, a, b = (paddle.to_tensor(stored[name]) for name in ("scores", "labels_a", "labels_b"))
    expected = reference["loss"]
    assert float(cross_entropy(scores, a, smoothing=0.1)) == pytest.approx(expected["smooth"], rel=1e-4)
    assert float(cross_entropy(scores, a)) == pytest.approx(expected["valid"], rel=1e-4)
    mixed = mixup_cross_entropy(scores, a, b, 0.3, smoothing=0.1)
    assert float(mixed) == pytest.approx(expected["mixup_lam_0.3"], rel=1e-4)


def test_rows_are_mixed_with_their_partners():
    clips = np.arange(6, dtype=np.float32).reshape(3, 2)
    mixed = Mix(0.25, np.array([2, 0, 1])).apply(paddle.to_tensor(clips)).numpy()
    assert mixed == pytest.approx(0.25 * clips + 0.75 * clips[[2, 0, 1]])


def test_alpha_zero_mixes_nothing():
    clips = paddle.to_tensor(np.ones((3, 2), np.float32))
    mix = draw_mix(np.random.default_rng(0), 3, alpha=0)
    assert mix.share == 1.0
    assert mix.apply(clips) is clips


def test_one_share_is_drawn_for_a_batch_and_the_partners_are_a_permutation():
    rng = np.random.default_rng(0)
    mixes = [draw_mix(rng, 8, alpha=0.2) for _ in range(400)]
    shares = np.array([mix.share for mix in mixes])
    assert all(sorted(mix.partners) == list(range(8)) for mix in mixes)
    # Beta(0.2, 0.2) has mean 1/2 and lies near 0 and 1 most of the time.
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    assert ((shares < 0.1) | (shares > 0.9)).mean() > 0.5
