from dataclasses import replace

import numpy as np
import pytest

from pptsn.training.synthetic.scene import (
    CLASS_NAMES,
    FORMS,
    HARD,
    PLAIN,
    SceneLayout,
    SceneStyle,
    _outline,
    clip_frames,
    draw_layout,
)

LAYOUT = SceneLayout(width=128, height=96, frames=6, fps=12)


def frames(class_name: str | None, *, seed: int, style: SceneStyle = PLAIN) -> np.ndarray:
    generators = {"scene_rng": np.random.default_rng([seed, 0]), "shape_rng": np.random.default_rng([seed, 1])}
    return np.stack(list(clip_frames(LAYOUT, class_name, **generators, style=style)))


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_a_class_shows_in_the_shape_and_in_no_other_pixel(class_name: str) -> None:
    for seed in range(4):
        bare, seen = frames(None, seed=seed), frames(class_name, seed=seed)
        differs = (bare != seen).any(axis=-1)
        assert (differs.mean(axis=(1, 2)) > 0.05).all()
        assert (differs.mean(axis=(1, 2)) < 0.3).all()
        for picture in differs:
            y, x = np.nonzero(picture)
            assert x.max() - x.min() < 96
            assert y.max() - y.min() < 96
            assert x.min() > 0  # the shape lies in the frame as a whole
            assert y.min() > 0
            assert x.max() < 127
            assert y.max() < 95


def test_classes_of_one_form_differ_in_colour_alone_and_of_one_colour_in_form_alone() -> None:
    names = ("red disc", "blue disc", "red cross")
    bare = frames(None, seed=1)
    red_disc, blue_disc, red_cross = (frames(name, seed=1) for name in names)
    covered = [(bare != picture).any(axis=-1) for picture in (red_disc, blue_disc, red_cross)]
    assert (covered[0] == covered[1]).mean() > 0.99
    assert (covered[0] != covered[2]).mean() > 0.02
    both = covered[0] & covered[2]
    close = np.abs(red_disc[both].astype(int) - red_cross[both]).max(axis=-1) < 3
    assert close.mean() > 0.8  # but for its blended edges


def test_in_a_hard_scene_the_shape_is_smaller_behind_bars_and_in_more_noise() -> None:
    areas, grains = {}, {}
    for style in (PLAIN, HARD, replace(HARD, bars=0)):
        shown, noise = [], []
        for seed in range(8):
            bare, seen = frames(None, seed=seed, style=style), frames("red disc", seed=seed, style=style)
            shown.append((bare != seen).any(axis=-1).mean())
            noise.append(np.diff(bare.astype(int), axis=0).std())
        areas[style], grains[style] = np.array(shown), np.mean(noise)
    assert areas[HARD].mean() < 0.8 * areas[PLAIN].mean()
    assert (areas[HARD] < 0.95 * areas[replace(HARD, bars=0)]).any()
    assert grains[HARD] > 1.5 * grains[PLAIN]


def test_every_form_covers_the_same_area() -> None:
    for form in FORMS:
        x, y = _outline(form).T
        assert abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2 == pytest.approx(np.pi)


def test_light_and_noise_change_from_frame_to_frame_where_nothing_moves() -> None:
    for seed in range(4):
        bare = frames(None, seed=seed).astype(int)
        assert (np.diff(bare, axis=0) != 0).any(axis=-1).mean() > 0.5
        # Noise is the difference between neighbours that light cannot explain.
        assert np.diff(bare, axis=0).std(axis=(1, 2, 3)).min() > 2


def test_layouts_lie_in_their_ranges() -> None:
    layouts = [draw_layout(np.random.default_rng(seed)) for seed in range(500)]
    assert {layout.fps for layout in layouts} == {12, 15, 20, 24, 25}
    for layout in layouts:
        sides = sorted((layout.width, layout.height))
        assert 96 <= sides[0] <= 120
        assert sides[1] <= 160
        assert layout.width % 2 == layout.height % 2 == 0
        assert 0.55 <= layout.frames / layout.fps <= 1.55
    assert 0.4 < np.mean([layout.width > layout.height for layout in layouts]) < 0.6
