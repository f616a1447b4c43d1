"""Text on pictures, with what OpenCV can draw."""

from __future__ import annotations

import unicodedata

import cv2
import numpy as np

from pptsn.runtime.video.frame import Pixels

# From OpenCV 5 on text is drawn with a TrueType font that knows Unicode; before, with strokes that know ASCII.
_KNOWS_UNICODE = hasattr(cv2, "FontFace")
_FONT = cv2.FONT_HERSHEY_DUPLEX if _KNOWS_UNICODE else cv2.FONT_HERSHEY_SIMPLEX
# Strokes are drawn this many times larger and shrunk: at 11 pixels they would run into each other.
_OVERSAMPLING = 4
# Of a line of this font, in pixels, at scale 1: from the baseline to the top of a capital.
_CAPITAL_PX = 22.0


def drawable(text: str, otherwise: str) -> str:
    """Return `text` in characters that can be drawn, or `otherwise` where less than half of it remains.

    Accents and ligatures are taken apart where only ASCII can be drawn: `Café` becomes `Cafe`.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if _KNOWS_UNICODE:
        return text or otherwise
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()
    legible = 2 * sum(c.isalnum() for c in plain) >= sum(c.isalnum() for c in text)
    return plain if plain and legible else otherwise


class Font:
    """Text of one size: its capitals are `capital_px` high."""

    def __init__(self, capital_px: int) -> None:
        self.capital_px = capital_px
        self._scale = _OVERSAMPLING * capital_px / _CAPITAL_PX
        # The strokes of a bold letter; a TrueType font has its own.
        self._thickness = 1 if _KNOWS_UNICODE else max(1, round(_OVERSAMPLING * capital_px / 8))

    def width(self, text: str) -> int:
        """Return the width of `text` in pixels."""
        (width, _), _ = cv2.getTextSize(text, _FONT, self._scale, self._thickness)
        return -(-(width + 2 * self._thickness) // _OVERSAMPLING)

    def shorten(self, text: str, width: int) -> str:
        """Return `text`, or as much of it as fits `width` pixels with dots for the rest."""
        if self.width(text) <= width:
            return text
        end = len(text)
        while end > 0 and self.width(text[:end].rstrip() + "...") > width:
            end -= 1
        return text[:end].rstrip() + "..." if end else ""

    def mask(self, text: str) -> Pixels:
        """Return how much `text` covers each pixel: (3 * capital_px, W) uint8, its baseline at 2 * capital_px."""
        height, width = 3 * self.capital_px, self.width(text)
        large = np.zeros((height * _OVERSAMPLING, width * _OVERSAMPLING), np.uint8)
        origin = (self._thickness, 2 * self.capital_px * _OVERSAMPLING)
        cv2.putText(large, text, origin, _FONT, self._scale, 255, self._thickness, cv2.LINE_AA)
        return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
