import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.frames.preprocess import RESIZE_RULES, cut_crop, normalise, resize_frame, scaled_size, ten_crop
from pptsn.runtime.frames.views import View, crop_names, crop_views, view_count


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_the_rules_differ_where_they_should() -> None:
    sizes = {rule: scaled_size(352, 288, short_side=256, rule=rule) for rule in RESIZE_RULES}
    assert sizes == {"fixed_ratio": (341, 256), "keep_aspect": (313, 256), "keep_aspect_floor": (312, 256)}


def test_a_square_is_portrait_to_fixed_ratio_alone() -> None:
    assert scaled_size(100, 100, short_side=256, rule="fixed_ratio") == (256, 341)
    assert scaled_size(100, 100, short_side=256, rule="keep_aspect") == (256, 256)


def test_a_frame_that_fits_is_left_alone() -> None:
    frame = picture(400, 256)
    for rule in RESIZE_RULES:
        assert resize_frame(frame, short_side=256, rule=rule) is frame


def test_an_unknown_rule_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="keep_aspect_floor"):
        scaled_size(10, 10, short_side=256, rule="stretch")


def test_a_strip_is_refused_rather_than_blown_up() -> None:
    with pytest.raises(InputError, match="1x5000"):
        resize_frame(picture(1, 5000), short_side=256, rule="keep_aspect")
    assert scaled_size(1, 5000, short_side=256, rule="fixed_ratio") == (256, 341)


def test_resizing_interpolates_without_antialiasing() -> None:
    # Halving with bilinear interpolation averages pairs of pixels, here 200 and 0.
    frame = np.zeros((512, 1024, 3), np.uint8)
    frame[:, ::2] = 200
    resized = resize_frame(frame, short_side=256, rule="keep_aspect")
    assert resized.shape == (256, 512, 3)
    assert np.unique(resized).tolist() == [100]


def test_ten_crop_offsets_are_multiples_of_a_quarter_of_the_margin() -> None:
    views = crop_views("ten", 341, 256, size=224, mirror_in_graph=True)
    assert [(v.x, v.y) for v in views] == [(0, 0), (116, 0), (0, 32), (116, 32), (58, 16)]


@pytest.mark.parametrize(("width", "height"), [(300, 256), (256, 300)])
@pytest.mark.parametrize("plan", ["ten", "three", "center"])
def test_each_position_has_the_name_of_where_it_is(plan: str, width: int, height: int) -> None:
    names = crop_names(plan, width, height)
    views = crop_views(plan, width, height, size=224, mirror_in_graph=True)
    assert len(names) == len(views)
    for name, view in zip(names, views, strict=True):
        across, down = view.x - (width - 224) / 2, view.y - (height - 224) / 2
        assert ("left" in name, "right" in name) == (across < -1, across > 1)
        assert ("top" in name, "bottom" in name) == (down < -1, down > 1)
        assert (name == "centre") == (abs(across) <= 1 and abs(down) <= 1)


def test_views_that_the_graph_does_not_mirror_are_cut_mirrored() -> None:
    views = crop_views("ten", 341, 256, size=224, mirror_in_graph=False)
    assert len(views) == 10
    assert views[2:4] == (View(116, 0), View(116, 0, flipped=True))


def test_three_crops_lie_along_the_longer_side() -> None:
    wide = crop_views("three", 300, 256, size=224, mirror_in_graph=True)
    tall = crop_views("three", 256, 300, size=224, mirror_in_graph=True)
    assert [(v.x, v.y) for v in wide] == [(0, 16), (38, 16), (76, 16)]
    assert [(v.y, v.x) for v in tall] == [(0, 16), (38, 16), (76, 16)]


def test_the_centre_is_rounded_down() -> None:
    assert crop_views("center", 341, 255, size=224, mirror_in_graph=True) == (View(58, 15),)


def test_view_counts() -> None:
    counts = [view_count(plan, mirror_in_graph=True) for plan in ("ten", "three", "center")]
    assert counts == [5, 3, 1]
    assert view_count("ten", mirror_in_graph=False) == 10


def test_an_unknown_plan_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="ten, three, center"):
        crop_views("thirty", 341, 256, size=224, mirror_in_graph=True)


def test_a_frame_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(InputError, match="100x256"):
        crop_views("center", 100, 256, size=224, mirror_in_graph=True)


def test_cutting_copies_the_crop_and_mirrors_it() -> None:
    frame = picture(60, 50)
    out = np.empty((32, 32, 3), np.uint8)
    cut_crop(frame, View(10, 5), out=out)
    np.testing.assert_array_equal(out, frame[5:37, 10:42])
    cut_crop(frame, View(10, 5, flipped=True), out=out)
    np.testing.assert_array_equal(out, frame[5:37, 10:42][:, ::-1])


def test_cut_views_are_the_plain_ten_crop() -> None:
    frames = [picture(61, 48, seed) for seed in range(3)]
    plain = ten_crop(frames, size=32)
    out = np.empty((32, 32, 3), np.uint8)
    for i, view in enumerate(crop_views("ten", 61, 48, size=32, mirror_in_graph=False)):
        for j, frame in enumerate(frames):
            cut_crop(frame, view, out=out)
            np.testing.assert_array_equal(plain[3 * i + j], out)


def test_normalising_gives_planes_of_mean_0() -> None:
    crops = np.full((2, 4, 4, 3), (255, 0, 51), np.uint8)
    planes = normalise(crops, mean=(0.5, 0.5, 0.1), std=(0.5, 0.25, 0.2))
    assert planes.shape == (2, 3, 4, 4)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes[1, :, 3, 3], [1.0, -2.0, 0.5], rtol=1e-6)


@pytest.mark.shared
def test_sizes_match_the_original(reference: dict) -> None:
    for entry in reference["scale"]:
        for rule in RESIZE_RULES:
            found = scaled_size(entry["w"], entry["h"], short_side=256, rule=rule)
            assert list(found) == entry[rule], (entry, rule)


@pytest.mark.shared
def test_ten_crop_matches_the_original(reference: dict) -> None:
    for entry in reference["tencrop"]:
        views = crop_views("ten", entry["w"], entry["h"], size=224, mirror_in_graph=False)
        assert [{"x": v.x, "y": v.y, "flipped": v.flipped} for v in views] == entry["order"]
