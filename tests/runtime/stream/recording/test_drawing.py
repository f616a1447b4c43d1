from __future__ import annotations

import av
import numpy as np
import pytest

from pptsn.runtime.stream.recording import text
from pptsn.runtime.stream.recording.canvas import Planes, planes_of
from pptsn.runtime.stream.recording.drawing import Drawer
from pptsn.runtime.stream.recording.fonts import font_called, font_with
from pptsn.runtime.stream.recording.overlay import Overlay
from tests.clips import Pixels

LINES = (("playing basketball", 0.93), ("dribbling basketball", 0.04), ("archery", 0.01))


def planes_like(width: int, height: int, level: int = 120) -> tuple[av.VideoFrame, Planes]:
    frame = av.VideoFrame(width, height, "yuv420p")
    planes = planes_of(frame)
    for plane, value in zip(planes, (level, 128, 128), strict=True):
        plane[:] = value
    return frame, planes


def drawn(overlay: Overlay, width: int = 640, height: int = 360, level: int = 120) -> Pixels:
    """Return a grey picture with `overlay` as RGB."""
    frame, planes = planes_like(width, height, level)
    Drawer(width, height).draw(planes, overlay)
    return np.asarray(frame.to_ndarray(format="rgb24"))


def changed(overlay: Overlay, width: int = 640, height: int = 360) -> np.ndarray:
    """Return which pixels of the luma an overlay changes, (H, W) bool."""
    _, planes = planes_like(width, height)
    Drawer(width, height).draw(planes, overlay)
    return np.asarray(planes.luma != 120)


def test_nothing_known_draws_nothing() -> None:
    assert not changed(Overlay(0.0)).any()


@pytest.mark.parametrize("size", [(320, 240), (240, 426), (640, 360), (1920, 1080)])
def test_only_the_lower_left_corner_is_touched(size: tuple[int, int]) -> None:
    width, height = size
    touched = changed(Overlay(0.0, LINES, "archery"), width, height)
    assert touched.any()
    assert not touched[: height // 4].any()
    rows, columns = np.nonzero(touched)
    assert columns.min() < 0.05 * width
    assert columns.max() < 0.98 * width
    assert height * 0.9 < rows.max() < height - 2
    if width > height:
        assert columns.max() < 0.75 * width


@pytest.mark.parametrize("level", [16, 120, 235])
def test_letters_stand_out_on_dark_and_bright_pictures(level: int) -> None:
    luma = drawn(Overlay(0.0, LINES), level=level).mean(axis=2)
    panel = luma[changed(Overlay(0.0, LINES))]
    dark, bright = np.quantile(panel, [0.3, 0.995])
    assert dark < 90
    assert bright > 235


def blue_pixels(overlay: Overlay) -> int:
    pixels = drawn(overlay).astype(int)
    return int(((pixels[..., 2] > 200) & (pixels[..., 0] < 110)).sum())


def orange_pixels(overlay: Overlay) -> int:
    pixels = drawn(overlay).astype(int)
    return int(((pixels[..., 0] > 220) & (pixels[..., 2] < 80)).sum())


def test_a_bar_is_as_long_as_its_score() -> None:
    full, half, none = (blue_pixels(Overlay(0.0, (("archery", score),))) for score in (1.0, 0.5, 0.0))
    assert none == 0
    assert half > 100
    assert full == pytest.approx(2 * half, rel=0.06)


@pytest.mark.parametrize("score", [-0.2, 1.5, float("inf")])
def test_a_score_out_of_range_stays_in_its_panel(score: float) -> None:
    inside = changed(Overlay(0.0, (("archery", 1.0),)))
    touched = changed(Overlay(0.0, (("archery", score),)))
    for axis in (0, 1):
        expected, found = (np.nonzero(pixels.any(axis))[0] for pixels in (inside, touched))
        assert (found.min(), found.max()) == (expected.min(), expected.max())


def test_an_event_stands_out_and_colours_the_bar_of_its_class() -> None:
    plain = Overlay(0.0, LINES)
    with_event = Overlay(0.0, LINES, "playing basketball")
    assert orange_pixels(plain) == 0
    assert orange_pixels(with_event) > 2000
    assert blue_pixels(with_event) < blue_pixels(plain) / 4


def test_warming_up_is_said_in_a_quiet_colour() -> None:
    overlay = Overlay(0.0, LINES, warming_up=True)
    assert blue_pixels(overlay) == orange_pixels(overlay) == 0
    assert changed(overlay).sum() > 1.1 * changed(Overlay(0.0, LINES)).sum()
    assert changed(Overlay(0.0, warming_up=True)).any()


def test_what_is_drawn_follows_the_overlay() -> None:
    _, planes = planes_like(640, 360)
    drawer = Drawer(640, 360)
    drawer.draw(planes, Overlay(0.0, (("archery", 0.9),)))
    first = planes.luma.copy()
    planes.luma[:] = 120
    drawer.draw(planes, Overlay(1.0, (("fencing", 0.9),)))
    assert (planes.luma != first).any()


def test_lines_for_which_there_is_no_room_are_left_out() -> None:
    many = tuple((f"class {number}", 0.1) for number in range(100))
    touched = changed(Overlay(0.0, many), 320, 240)
    assert touched.any()
    assert not touched[: 240 // 5].any()


@pytest.mark.parametrize(
    "overlay", [Overlay(0.0, LINES, "archery"), Overlay(0.0, LINES), Overlay(0.0, (), "archery")]
)
def test_small_pictures_are_no_error(overlay: Overlay) -> None:
    for width, height in ((2, 2), (16, 200), (8, 400), (130, 66), *((400, height) for height in range(2, 90, 2))):
        changed(overlay, width, height)


@pytest.mark.usefixtures("dejavu")
def test_labels_in_any_script_that_a_font_has_are_drawn() -> None:
    assert font_with("Ж") is not None, "needs fontconfig and a font"
    latin, cyrillic = (changed(Overlay(0.0, ((label, 0.5),), class_ids=(17,))) for label in ("class 17", "Жук"))
    assert (latin != cyrillic).any()


def test_a_label_that_no_font_has_is_the_number_of_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "font_with", lambda characters: None)
    foreign = Overlay(0.0, (("\u6f22\u5b57", 0.5),), class_ids=(17,))
    pixels, expected = (drawn(overlay) for overlay in (foreign, Overlay(0.0, (("class 17", 0.5),))))
    assert np.array_equal(pixels, expected)


@pytest.mark.usefixtures("dejavu")
def test_a_font_that_is_asked_for_is_used() -> None:
    frames = []
    for font in (None, font_called("DejaVu Serif")):
        frame, planes = planes_like(640, 360)
        Drawer(640, 360, font).draw(planes, Overlay(0.0, LINES))
        frames.append(frame.to_ndarray())
    assert not np.array_equal(*frames)
