"""Text on pictures, in the fonts that this machine has.

A label is written in the font that was asked for, or else in Pillow's own.  Where that lacks some of its letters,
it is written in the installed font that fontconfig finds to have them.  A letter that this one lacks as well is
taken apart (`é` becomes `e`) or left out; a label of which less than half remains is replaced, by the number of
its class.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

from PIL import ImageFont

from pptsn.runtime.stream.recording.fonts import FontFile, font_with

# No font has a letter here: what is drawn for it, a box mostly, stands for a letter that a font lacks.
_NO_LETTER = "\U0010ffff"
# Labels repeat, and so do scores in percent.
_REMEMBERED = 256
_PROBE_PX = 100
# Of the size of a font, where it has no capitals.
_USUAL_CAPITAL = 0.7


class Text(NamedTuple):
    """A line that can be written: what is shown, and the font to write it in."""

    shown: str
    face: ImageFont.FreeTypeFont


class Lettering:
    """Lines of text whose capitals are `capital_px` high.

    font: what to write in where it has the letters; None: Pillow's own.
    """

    def __init__(self, capital_px: int, font: FontFile | None = None) -> None:
        self._capital_px, self._font = capital_px, font
        self.fitted = lru_cache(_REMEMBERED)(self._fitted)

    def _fitted(self, text: str, otherwise: str = "", width: int | None = None) -> Text:
        """Return `text`, or `otherwise` where it cannot be written, shortened to `width` pixels."""
        shown, face = self._legible(text, otherwise)
        return Text(shown if width is None else _shortened(shown, face, width), face)

    def _legible(self, text: str, otherwise: str) -> Text:
        """Return what can be written of `text`, or `otherwise`, and the font to write it in."""
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        face = _face(self._font, self._capital_px)
        missing = "".join(c for c in text if not _has(face, c))
        if missing and (found := font_with(missing)) is not None:
            with suppress(OSError):  # one that cannot be drawn at every size: emoji, as pictures
                other = _face(found, self._capital_px)
                if sum(not _has(other, c) for c in text) < len(missing):
                    face = other
        written = " ".join("".join(_written(face, c) for c in text).split())
        if written and 2 * _letters(written) >= _letters(text):
            return Text(written, face)
        return Text(otherwise, _face(self._font, self._capital_px))


def _written(face: ImageFont.FreeTypeFont, character: str) -> str:
    """Return `character`, or of its parts those that the font has."""
    if _has(face, character):
        return character
    return "".join(part for part in unicodedata.normalize("NFKD", character) if _has(face, part))


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def _shortened(text: str, face: ImageFont.FreeTypeFont, width: int) -> str:
    """Return `text`, or as much of it as fits `width` pixels with dots for the rest."""
    if face.getlength(text) <= width:
        return text
    end = len(text)
    while end > 0 and face.getlength(text[:end].rstrip() + "...") > width:
        end -= 1
    return text[:end].rstrip() + "..." if end else ""


@lru_cache(maxsize=64)
def _face(font: FontFile | None, capital_px: int) -> ImageFont.FreeTypeFont:
    """Return a font at the size at which its capitals are that high."""
    probe = _at_size(font, _PROBE_PX)
    _, top, _, bottom = probe.getbbox("H", anchor="ls")
    height = bottom - top if _has(probe, "H") else _USUAL_CAPITAL * _PROBE_PX
    return _at_size(font, _PROBE_PX * capital_px / height)


def _at_size(font: FontFile | None, size: float) -> ImageFont.FreeTypeFont:
    if font is not None:
        return ImageFont.truetype(font.path, size, index=font.index)
    own = ImageFont.load_default(size)
    if not isinstance(own, ImageFont.FreeTypeFont):
        raise OSError("this Pillow was built without FreeType")
    return own


@lru_cache(maxsize=4096)
def _has(face: ImageFont.FreeTypeFont, character: str) -> bool:
    """Whether the font has that letter; Pillow does not tell, so what is drawn is looked at."""
    if character.isspace():
        return True
    drawn, missing = face.getmask(character), face.getmask(_NO_LETTER)
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)
