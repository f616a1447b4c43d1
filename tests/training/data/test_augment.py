from collections import Counter

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.training.data.augment import (
    Box,
    ResizedCrop,
    crop_boxes,
    crop_sizes,
    draw_crop,
    training_crops,
    validation_crops,
)


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


def test_sizes_and_positions_are_drawn_evenly() -> None:
    rng = np.random.default_rng(1)
    draws = [draw_crop(341, 256, size=224, rng=rng) for _ in range(13000)]
    smallest = Counter((box.left, box.top) for box in draws if (box.right - box.left) <= 169)
    # Of 13 positions, each of the two pairs with the smallest width; none twice as often as another.
    assert min(smallest.values()) > 50
    sides = (256, 224, 192, 168)
    widths = Counter(min(sides, key=lambda side: abs(side - (box.right - box.left))) for box in draws)
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


def test_half_of_the_clips_are_mirrored() -> None:
    rng = np.random.default_rng(1)
    rows = [training_crops([ramp(12, 9)], size=8, rng=rng)[0, 0, :, 0].astype(int) for _ in range(1000)]
    assert 440 < sum(row[0] > row[-1] for row in rows) < 560


def test_a_training_crop_is_its_box_resized_and_mirrored() -> None:
    frame = ramp(85, 64)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        box, flipped = draw_crop(85, 64, size=48, rng=rng), rng.random() < 0.5
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


@pytest.mark.parametrize("crop", [ResizedCrop(), ResizedCrop(area=(0.1, 0.2)), ResizedCrop(ratio=(1.0, 1.0))])
def test_a_random_resized_crop_has_an_area_and_a_ratio_of_its_ranges_anywhere(crop: ResizedCrop) -> None:
    rng, width, height = np.random.default_rng(1), 341, 256
    boxes = [crop.draw(width, height, rng) for _ in range(2000)]
    sides = np.array([(box.right - box.left, box.bottom - box.top) for box in boxes], float)
    shares, ratios = sides.prod(axis=1) / (width * height), sides[:, 0] / sides[:, 1]
    # Sides are whole pixels.
    assert crop.area[0] * 0.98 < shares.min() < crop.area[0] * 1.1
    assert shares.max() < crop.area[1] * 1.02
    assert crop.ratio[0] * 0.97 < ratios.min() <= ratios.max() < crop.ratio[1] * 1.03
    if crop.area[1] < 0.5:  # all that is drawn fits
        assert shares.mean() == pytest.approx(np.mean(crop.area), rel=0.02)
        assert np.log(ratios).mean() == pytest.approx(np.log(crop.ratio).mean(), abs=0.02)
    for low, high, end in (("left", "right", width), ("top", "bottom", height)):
        places = np.array([[getattr(box, low), getattr(box, high)] for box in boxes])
        assert places.min() == 0
        assert places.max() == end
        assert (places[:, 0] < places[:, 1]).all()


@pytest.mark.parametrize(
    ("size", "box"),
    [((400, 20), Box(186, 0, 213, 20)), ((20, 400), Box(0, 186, 20, 213)), ((40, 40), Box(0, 0, 40, 40))],
)
def test_where_none_fits_it_is_the_largest_in_the_middle(size: tuple[int, int], box: Box) -> None:
    crop = ResizedCrop(area=(1.0, 1.0), ratio=(3 / 4, 4 / 3))
    rng = np.random.default_rng(1)
    found = {crop.draw(*size, rng) for _ in range(20)}
    assert box in found
    assert all(b.right - b.left <= size[0] and b.bottom - b.top <= size[1] for b in found)


def test_all_frames_have_the_same_random_resized_crop() -> None:
    crops = training_crops([ramp(85, 64)] * 3, size=48, rng=np.random.default_rng(3), crop=ResizedCrop())
    assert crops.shape == (3, 48, 48, 3)
    assert (crops == crops[0]).all()
