"""The linear classifier is at the minimum of what it minimises, whatever the scale of the features."""

from __future__ import annotations

import numpy as np
import pytest

from pptsn.training.learning.linear_head import fit_linear_head

RNG = np.random.default_rng(0)
LABELS = np.arange(30) % 3
FEATURES = np.asarray(RNG.standard_normal((30, 5)) + 0.5 * np.eye(3, 5)[LABELS], np.float32)


def gradient(head, features, *, penalty, weights):
    """Return the derivatives of the loss by weight and bias, of centred features of a mean squared length of 1."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.mean(np.sum(centred**2, axis=1)))
    logits = head.logits(features).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors = shares / shares.sum(axis=1, keepdims=True) - np.eye(3)[LABELS]
    errors *= weights[LABELS][:, None] / len(features)
    return centred.T @ errors / scale + penalty * scale * head.weight, errors.sum(axis=0)


@pytest.mark.parametrize("penalty", [1.0, 1e-3])
@pytest.mark.parametrize("weights", [(1, 1, 1), (2, 0.5, 0.5)])
def test_it_is_at_the_minimum(penalty: float, weights: tuple[float, ...]) -> None:
    given = np.array(weights, np.float32)
    head = fit_linear_head(FEATURES, LABELS, classes=3, penalty=penalty, class_weights=given)
    by_weight, by_bias = gradient(head, FEATURES, penalty=penalty, weights=given)
    assert np.abs(by_weight).max() < 1e-4
    assert np.abs(by_bias).max() < 1e-4


def test_scale_and_origin_of_the_features_change_no_logit() -> None:
    plain = fit_linear_head(FEATURES, LABELS, classes=3, penalty=0.01).logits(FEATURES)
    other = np.asarray(40 * FEATURES + 7, np.float32)
    assert np.allclose(fit_linear_head(other, LABELS, classes=3, penalty=0.01).logits(other), plain, atol=1e-3)


@pytest.mark.parametrize("clips", [1, 2])
def test_one_clip_and_clips_that_are_alike_have_a_head_of_numbers(clips: int) -> None:
    head = fit_linear_head(np.ones((clips, 4), np.float32), np.zeros(clips, np.int64), classes=2, penalty=0.1)
    assert np.isfinite(head.logits(np.ones((1, 4), np.float32))).all()


@pytest.mark.parametrize("penalty", [1.0, 1e-3])
@pytest.mark.parametrize("clips", [2, 9, 10])
def test_of_fewer_clips_than_features_the_minimum_is_the_same(clips: int, penalty: float) -> None:
    few, labels = np.asarray(RNG.standard_normal((clips, 30)), np.float32), np.arange(clips) % 2
    often = np.tile(few, (60 // clips + 1, 1)), np.tile(labels, 60 // clips + 1)  # the same loss, as of many clips
    heads = [fit_linear_head(*each, classes=2, penalty=penalty) for each in ((few, labels), often)]
    assert np.allclose(heads[0].weight, heads[1].weight, atol=1e-3)
    assert np.allclose(heads[0].bias, heads[1].bias, atol=1e-3)
