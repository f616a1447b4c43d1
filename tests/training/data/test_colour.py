"""Changes of colour, each against its formula by hand."""

from __future__ import annotations

import colorsys
from collections import Counter

import numpy as np
import pytest

from pptsn.training.data.colour import ColourJitter, brightened, contrasted, jitter_clip, saturated, turned

FRAME = np.random.default_rng(1).integers(0, 256, (9, 7, 3)).astype(np.uint8)
GREYS = FRAME @ np.array([0.299, 0.587, 0.114])
FACTORS = [0.0, 0.4, 1.0, 1.7]


def _near(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, np.clip(expected, 0, 255), rtol=0, atol=1)


@pytest.mark.parametrize("factor", FACTORS)
def test_brightness_is_a_factor_of_all_values(factor: float) -> None:
    _near(brightened(FRAME, factor), factor * FRAME.astype(float))


@pytest.mark.parametrize("factor", FACTORS)
def test_contrast_is_a_factor_of_distances_from_the_mean_grey(factor: float) -> None:
    _near(contrasted(FRAME, factor), GREYS.mean() + factor * (FRAME - GREYS.mean()))


@pytest.mark.parametrize("factor", FACTORS)
def test_saturation_is_a_factor_of_distances_from_each_grey(factor: float) -> None:
    _near(saturated(FRAME, factor), GREYS[..., None] + factor * (FRAME - GREYS[..., None]))


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.0, 0.25, 0.5])
def test_hue_is_turned_and_nothing_else(turns: float) -> None:
    expected = np.zeros(FRAME.shape)
    for place in np.ndindex(*FRAME.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(FRAME[place] / 255))
        expected[place] = 255 * np.array(colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value))
    _near(turned(FRAME, turns), expected)


def test_a_third_of_a_turn_makes_red_green() -> None:
    red = np.full((1, 1, 3), (255, 0, 0), np.uint8)
    assert turned(red, 1 / 3).tolist() == [[[0, 255, 0]]]


def test_all_frames_of_a_clip_are_changed_alike() -> None:
    clip = np.stack([FRAME] * 3)
    jitter_clip(
        clip, ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1), np.random.default_rng(2)
    )
    assert (clip == clip[0]).all()
    assert (clip[0] != FRAME).any()


def test_what_is_not_asked_for_leaves_every_value() -> None:
    clip = FRAME[None].copy()
    jitter_clip(clip, ColourJitter(), np.random.default_rng(2))
    assert (clip[0] == FRAME).all()
    assert ColourJitter(hue=0.2).draw(np.random.default_rng(2))[0][0] is turned
    assert len(ColourJitter(hue=0.2).draw(np.random.default_rng(2))) == 1


def test_amounts_and_their_order_are_drawn_evenly() -> None:
    rng, jitter = np.random.default_rng(3), ColourJitter(brightness=0.4, contrast=2.0, saturation=0.2, hue=0.1)
    draws = [jitter.draw(rng) for _ in range(2400)]
    for change, low, high in (
        (brightened, 0.6, 1.4),
        (contrasted, 0.0, 3.0),
        (saturated, 0.8, 1.2),
        (turned, -0.1, 0.1),
    ):
        amounts = [dict(draw)[change] for draw in draws]
        margin = 0.02 * (high - low)
        assert low <= min(amounts) < low + margin
        assert high - margin < max(amounts) <= high
        assert np.mean(amounts) == pytest.approx((low + high) / 2, abs=2 * margin)
    orders = Counter(tuple(change for change, _ in draw) for draw in draws)
    assert len(orders) == 24
    assert min(orders.values()) > 50
