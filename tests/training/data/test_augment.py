from collections import Counter

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.training.data.augment import Box, crop_boxes, crop_sizes, draw_crop, training_crops, validation_crops


def ramp(width: int, height: int) -> np.ndarray:
    """A frame whose red says x and whose green says y."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = np.arange(width)
    frame[..., 1] = np.arange(height)[:, None]
    return frame


def test_crop_sizes_are_the_published_pairs() -> None:
    # 0.875 * 256 is the crop size itself; 0.66 * 256 is 168.96.
    sides = [256, 224, 192, 168]
    near = [(w, h) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= 1]
    assert crop_sizes(256, 224) == near
    assert len(near) == 10


@pytest.mark.parametrize(("base", "size", "side"), [(64, 58, 58), (64, 54, 54), (64, 59, 56), (64, 53, 56)])
def test_a_crop_within_two_pixels_of_the_network_becomes_its_size(base: int, size: int, side: int) -> None:
    # int(64 * 0.875) is 56.
    assert (side, side) in crop_sizes(base, size)
    assert all(abs(w - 56) > 2 or w == side for w, _ in crop_sizes(base, size))


def test_there_are_thirteen_positions() -> None:
    boxes = crop_boxes(341, 256, crop_width=221, crop_height=216)  # margins of 120 and 40, quarters of 30 and 10
    assert [(box.left, box.top) for box in boxes] == [
        (0, 0), (120, 0), (0, 40), (120, 40), (60, 20),
        (0, 20), (120, 20), (60, 40), (60, 0),
        (30, 10), (90, 10), (30, 30), (90, 30),
    ]  # fmt: skip
    assert all((box.right - box.left, box.bottom - box.top) == (221, 216) for box in boxes)


def test_each_edge_is_rounded_half_to_even_so_that_crops_vary_by_a_pixel() -> None:
    # A margin of 10: the quarter is 2.5, which rounds to 2, and 2.5 + 21 = 23.5 to 24: a pixel more.
    boxes = crop_boxes(31, 31, crop_width=21, crop_height=21)
    assert boxes[9] == Box(2, 2, 24, 24)
    # Three quarters are 7.5, to 8, and 28.5 to 28: a pixel less.
    assert boxes[12] == Box(8, 8, 28, 28)
    assert boxes[3] == Box(10, 10, 31, 31)


def test_sizes_positions_and_flips_are_drawn_evenly() -> None:
    rng = np.random.default_rng(1)
    draws = [draw_crop(341, 256, size=224, rng=rng) for _ in range(13000)]
    flips = sum(flipped for _, flipped in draws)
    assert 6200 < flips < 6800
    smallest = Counter((box.left, box.top) for box, _ in draws if (box.right - box.left) <= 169)
    # Of 13 positions, each of the two pairs with the smallest width; none twice as often as another.
    assert min(smallest.values()) > 50
    sides = (256, 224, 192, 168)
    widths = Counter(min(sides, key=lambda side: abs(side - (box.right - box.left))) for box, _ in draws)
    # Of the ten pairs, two have the largest width and two the smallest.
    assert [round(widths[side] / 1300) for side in sides] == [2, 3, 3, 2]


def test_all_frames_of_a_clip_are_cropped_and_flipped_alike() -> None:
    frame = ramp(85, 64)
    seen = set()
    for seed in range(40):
        crops = training_crops([frame, frame, frame], size=48, rng=np.random.default_rng(seed))
        assert crops.shape == (3, 48, 48, 3)
        assert (crops == crops[0]).all()
        row = crops[0, 0, :, 0].astype(int)
        seen.add(bool(row[0] > row[-1]))
    assert seen == {True, False}


def test_a_training_crop_is_its_box_resized_and_mirrored() -> None:
    frame = ramp(85, 64)
    for seed in range(20):
        box, flipped = draw_crop(85, 64, size=48, rng=np.random.default_rng(seed))
        (crop,) = training_crops([frame], size=48, rng=np.random.default_rng(seed))
        row = crop[0, ::-1, 0] if flipped else crop[0, :, 0]
        scale = (box.right - box.left) / 48
        expected = box.left + (np.arange(48) + 0.5) * scale - 0.5
        np.testing.assert_allclose(row, np.clip(expected, box.left, box.right - 1), atol=1)


def test_validation_takes_the_centre_rounded_down() -> None:
    (crop,) = validation_crops([ramp(85, 64)], size=48)
    assert crop.shape == (48, 48, 3)
    assert tuple(crop[0, 0, :2]) == (18, 8)
    assert tuple(crop[-1, -1, :2]) == (18 + 47, 8 + 47)


def test_frames_smaller_than_the_crop_are_refused() -> None:
    with pytest.raises(InputError, match="smaller than the crop of 65x65"):
        validation_crops([ramp(85, 64)], size=65)
    with pytest.raises(InputError, match="smaller than the crop of 65x65"):
        training_crops([ramp(85, 64)], size=65, rng=np.random.default_rng(0))
