"""Scores as probabilities: the error of bins by hand, and a temperature that is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pptsn.runtime.classify.results import softmax
from pptsn.runtime.evaluate.calibration import HOTTEST, calibration, fit_temperature


def drawn(
    clips: int, classes: int, *, spread: float = 2.0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return logits whose softmax the labels are drawn by."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, spread, (clips, classes)).astype(np.float32)
    gumbel = rng.gumbel(size=logits.shape)
    return logits, (logits + gumbel).argmax(axis=1)


@pytest.mark.parametrize("classes", [2, 10, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 1.5, 6.0])
def test_the_temperature_of_logits_that_are_miscalibrated_by_it_is_found(classes: int, temperature: float) -> None:
    logits, labels = drawn(40_000, classes)
    assert fit_temperature(logits * np.float32(temperature), labels) == pytest.approx(temperature, rel=0.02)


@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_the_temperature_brings_scores_to_the_share_of_right_answers(temperature: float) -> None:
    logits, labels = drawn(20_000, 10)
    before = calibration(logits * np.float32(temperature), labels)
    after = calibration(logits * np.float32(temperature), labels, temperature=temperature)
    assert before.error > 0.1
    assert after.error < 0.02
    assert all(abs(one.score - one.right) < 0.05 for one in after.bins if one.clips > 1000)


def test_the_error_is_the_mean_distance_of_the_bins() -> None:
    """Four clips at 0.9, of which one is right; one at 0.6, which is."""
    scores = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    found = calibration(np.log(scores).astype(np.float32), np.array([0, 1, 1, 1, 0]))
    assert [(one.clips, round(one.score, 6), one.right) for one in found.bins] == [(1, 0.6, 1.0), (4, 0.9, 0.25)]
    assert found.error == pytest.approx((4 * 0.65 + 1 * 0.4) / 5, abs=1e-6)


@pytest.mark.parametrize("wrong", [0, 1, 20, 39, 40])
def test_where_no_temperature_makes_the_labels_likeliest_there_is_none(wrong: int) -> None:
    """All right: the colder the likelier.  Most wrong: the warmer."""
    logits = np.tile(np.float32([3, 0]), (40, 1))
    labels = (np.arange(40) < wrong).astype(np.int64)
    found = fit_temperature(logits, labels)
    if wrong in (0, 20, 39, 40):
        assert found is None
        return
    assert found is not None
    assert 0 < found < HOTTEST
    assert softmax(logits, temperature=found)[0, 0] == pytest.approx(1 - wrong / 40, abs=1e-4)
