"""What is written of a label, and the fonts that it is written in."""

from __future__ import annotations

import pytest

from pptsn.runtime.stream.recording import text as text_module
from pptsn.runtime.stream.recording.fonts import FontFile, font_called, font_with
from pptsn.runtime.stream.recording.text import Lettering

BEETLE = "\u0416\u0443\u043a"
CHARACTERS = "\u6f22\u5b57"


@pytest.fixture
def no_other_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Pillow's own font alone: what a machine without fontconfig has."""
    monkeypatch.setattr(text_module, "font_with", lambda characters: None)


def test_a_long_label_is_cut_and_fits() -> None:
    label = "an extraordinarily long label " * 5
    shown, face = Lettering(10).fitted(label, width=150)
    assert shown.endswith("...")
    assert label.startswith(shown[:-3])
    assert 100 < face.getlength(shown) <= 150
    assert Lettering(10).fitted("archery", width=150).shown == "archery"
    assert Lettering(10).fitted("archery", width=1).shown == ""


@pytest.mark.usefixtures("dejavu")
@pytest.mark.parametrize("capital_px", [8, 20, 43])
@pytest.mark.parametrize("name", [None, "DejaVu Serif", "DejaVu Sans Mono"])
def test_letters_have_the_height_that_was_asked_for(capital_px: int, name: str | None) -> None:
    _, face = Lettering(capital_px, font_called(name) if name else None).fitted("H")
    _, top, _, bottom = face.getbbox("H", anchor="ls")
    assert bottom == pytest.approx(0, abs=0.5)
    assert -top == pytest.approx(capital_px, abs=max(1, capital_px / 10))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("archery", "archery"),
        ("caf\u00e9", "cafe"),
        ("\ufb01shing", "\ufb01shing"),
        (CHARACTERS, "label 1"),
        (f"{CHARACTERS} a", "label 1"),
        (f"arch{CHARACTERS}ery", "archery"),
        ("", "label 1"),
        ("\x00", "label 1"),
        ("two\nlines\t", "two lines"),
        ("***", "***"),
    ],
)
def test_what_the_only_font_lacks_is_taken_apart_left_out_or_replaced(
    label: str, expected: str, no_other_font: None
) -> None:
    assert Lettering(20).fitted(label, "label 1").shown == expected


@pytest.mark.usefixtures("dejavu")
def test_what_the_font_lacks_is_written_in_another_one() -> None:
    other = font_with(BEETLE)
    assert other is not None, "needs fontconfig and a font"
    shown, face = Lettering(20).fitted(f"{BEETLE} 3", "label 1")
    assert shown == f"{BEETLE} 3"
    assert face.path == other.path


def test_a_font_of_pictures_alone_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "font_with", lambda characters: FontFile("/nonexistent/emoji.ttf"))
    assert Lettering(20).fitted("caf\u00e9", "label 1").shown == "cafe"


@pytest.mark.usefixtures("dejavu")
def test_a_font_is_found_by_the_beginning_of_its_name_and_by_its_file() -> None:
    serif = font_called("DejaVu Serif")
    assert serif == font_called("dejavu ser") == font_called(serif.path)
    assert "Bold" in font_called("DejaVu Sans:bold").path


@pytest.mark.parametrize("name", ["No Such Font", "", "-", ":", ":bold", "%{file}", "pyproject.toml"])
def test_a_font_that_there_is_not_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="font"):
        font_called(name)


@pytest.mark.usefixtures("dejavu")
def test_without_fontconfig_there_are_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    serif = font_called("DejaVu Serif")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert font_called(serif.path) == serif
    with pytest.raises(ValueError, match="no font called DejaVu Serif is installed"):
        font_called("DejaVu Serif")
