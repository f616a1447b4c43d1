"""Lines of text, and the fonts that they are written in."""

from __future__ import annotations

import numpy as np
import pytest

from pptsn.runtime.stream.recording import text as text_module
from pptsn.runtime.stream.recording.fonts import FontFile, font_called, font_with
from pptsn.runtime.stream.recording.text import Lettering, Line


@pytest.fixture
def no_other_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Pillow's own font alone: what a machine without fontconfig has."""
    monkeypatch.setattr(text_module, "font_with", lambda characters: None)


def pixels(line: Line) -> np.ndarray:
    return np.asarray(line.mask)


def same(one: Line, other: Line) -> bool:
    return pixels(one).shape == pixels(other).shape and bool((pixels(one) == pixels(other)).all())


def test_a_long_label_is_cut_and_fits() -> None:
    lettering = Lettering(10)
    label = "an extraordinarily long label " * 5
    assert 100 < lettering.line(label, width=150).width <= 150
    assert lettering.line(label).width > 500
    assert same(lettering.line("archery", width=150), lettering.line("archery"))
    assert pixels(lettering.line("archery", width=3)).max() == 0
    cut = pixels(lettering.line("HHHHHHHHHHHHHHHHHHHH", width=100))
    assert cut[:15, -10:].max() == 0  # dots, no letters
    assert cut[15:21, -10:].max() > 200


@pytest.mark.parametrize("capital_px", [8, 20, 43])
@pytest.mark.parametrize("name", [None, "DejaVu Serif", "DejaVu Sans Mono"])
def test_letters_have_the_height_that_was_asked_for_and_fit_their_mask(capital_px: int, name: str | None) -> None:
    lettering = Lettering(capital_px, font_called(name) if name else None)
    mask = pixels(lettering.line("H"))
    rows = np.nonzero(mask.max(axis=1) > 100)[0]
    assert rows.max() - rows.min() + 1 == pytest.approx(capital_px, abs=max(1, capital_px / 10))
    assert rows.max() == pytest.approx(2 * capital_px, abs=max(1, capital_px / 10))
    wide = pixels(lettering.line("jgW%gj"))
    assert wide[:, -1].max() < 128
    assert wide[-1].max() == 0


def test_lines_repeat() -> None:
    lettering = Lettering(10)
    assert lettering.line("archery", "class 1", 100) is lettering.line("archery", "class 1", 100)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("archery", "archery"),
        ("caf\u00e9", "cafe"),
        ("\u6f22\u5b57", "label 1"),
        ("\u6f22\u5b57 a", "label 1"),
        ("", "label 1"),
        ("\x00", "label 1"),
        ("two\nlines\t", "two lines"),
        ("***", "***"),
    ],
)
def test_what_the_only_font_lacks_is_taken_apart_or_replaced(
    label: str, expected: str, no_other_font: None
) -> None:
    lettering = Lettering(20)
    assert same(lettering.line(label, "label 1"), lettering.line(expected))


def test_what_the_font_lacks_is_written_in_another_one() -> None:
    lettering, other = Lettering(20), font_with("\u0416\u0443\u043a")
    assert other is not None, "needs fontconfig and a font"
    written = lettering.line("\u0416\u0443\u043a", "label 1")
    assert same(written, Lettering(20, other).line("\u0416\u0443\u043a"))
    assert not same(written, lettering.line("label 1"))


def test_a_letter_that_no_font_has_is_left_out(no_other_font: None) -> None:
    lettering = Lettering(20)
    assert same(lettering.line("arch\u6f22ery", "label 1"), lettering.line("archery"))


def test_a_font_of_pictures_alone_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "font_with", lambda characters: FontFile("/nonexistent/emoji.ttf"))
    lettering = Lettering(20)
    assert same(lettering.line("caf\u00e9", "label 1"), lettering.line("cafe"))


def test_a_font_is_found_by_the_beginning_of_its_name_and_by_its_file() -> None:
    serif = font_called("DejaVu Serif")
    assert serif == font_called("dejavu ser") == font_called(serif.path)
    bold = font_called("DejaVu Sans:bold")
    assert "Bold" in bold.path


@pytest.mark.parametrize("name", ["No Such Font", "", "-", ":", ":bold", "%{file}", "pyproject.toml"])
def test_a_font_that_there_is_not_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="font"):
        font_called(name)


def test_without_fontconfig_there_are_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    serif = font_called("DejaVu Serif")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert font_called(serif.path) == serif
    with pytest.raises(ValueError, match="no font called DejaVu Serif is installed"):
        font_called("DejaVu Serif")
