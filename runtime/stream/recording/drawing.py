"""Drawing labels, score bars and events on pictures.

What an overlay looks like is rendered once, as a small translucent stamp; on each picture it is blended into the
planes, in its corner alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pptsn.runtime.stream.recording.canvas import Planes
from pptsn.runtime.stream.recording.fonts import FontFile
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.recording.text import Lettering, Text
from pptsn.runtime.video.frame import Pixels

_Colour = tuple[int, int, int, int]

# RGBA.
_BACKGROUND: _Colour = (13, 17, 23, 204)
_TRACK: _Colour = (76, 79, 84, 215)
_WHITE: _Colour = (255, 255, 255, 255)
_QUIET: _Colour = (196, 203, 212, 255)
_BAR: _Colour = (56, 189, 248, 255)
_BAR_QUIET: _Colour = (170, 178, 188, 255)
_EVENT: _Colour = (255, 179, 0, 255)
_EVENT_TEXT: _Colour = (28, 20, 0, 255)

# The size of letters goes with the picture; below 8 pixels they could not be read.
_CAPITAL_SHARE = 0.02
_LEAST_CAPITAL_PX = 8

# Lengths in heights of a capital.
_MARGIN = 0.8
_PADDING = 1.0
_WIDTH = 29.0
_ROW = 2.75
_BAR_BELOW = 0.55
_BAR_HEIGHT = 0.35
_HEAD = 2.5
# So much of the picture's height is for labels.
_MOST_HEIGHT = 0.75


@dataclass(frozen=True, eq=False)
class _StampPlane:
    """One plane: pre is colour times opacity, rest is 1 - opacity, both (h, w) uint16 in units of 1/256."""

    top: int
    left: int
    pre: npt.NDArray[np.uint16]
    rest: npt.NDArray[np.uint16]

    def onto(self, plane: Pixels) -> None:
        height, width = self.pre.shape
        region = plane[self.top : self.top + height, self.left : self.left + width]
        mixed = region * self.rest
        mixed += self.pre
        mixed >>= 8
        region[:] = mixed


class _Panel:
    """A translucent picture under way.  Boxes are drawn twice as large and shrunk, for smooth edges."""

    def __init__(self, width: int, height: int) -> None:
        self._boxes = Image.new("RGBA", (2 * width, 2 * height), (*_BACKGROUND[:3], 0))
        self._draw = ImageDraw.Draw(self._boxes)
        self._texts: list[Callable[[ImageDraw.ImageDraw], None]] = []

    def box(self, box: _Box, colour: _Colour) -> None:
        """Fill a rectangle with round corners."""
        left, top, width, height, radius = (2 * length for length in box)
        self._draw.rounded_rectangle((left, top, left + width - 1, top + height - 1), radius, fill=colour)

    def text(self, at: tuple[int, int], text: Text, colour: _Colour, *, anchor: str = "ls") -> None:
        """Write `text` over all boxes.  at: the left end of its baseline, or the right one with anchor="rs"."""
        self._texts.append(lambda draw: draw.text(at, text.shown, fill=colour, font=text.face, anchor=anchor))

    def finished(self) -> Pixels:
        """Return the picture, (h, w, 4) uint8 RGBA."""
        picture = self._boxes.reduce(2)
        draw = ImageDraw.Draw(picture)
        for write in self._texts:
            write(draw)
        return np.asarray(picture)


class _Box(NamedTuple):
    """A rectangle with round corners, in pixels."""

    left: float
    top: float
    width: float
    height: float
    radius: float


class _Layout:
    """Where things are on the panel, for pictures of one size; lengths in pixels."""

    def __init__(self, width: int, height: int, font: FontFile | None) -> None:
        short = min(height, width * 0.75)
        self.capital = max(_LEAST_CAPITAL_PX, round(_CAPITAL_SHARE * short))
        self.margin = round(_MARGIN * self.capital)
        self.padding = round(_PADDING * self.capital)
        self.width = min(round(_WIDTH * self.capital), width - 2 * self.margin)
        self.row = round(_ROW * self.capital)
        self.head = round(_HEAD * self.capital)
        self.most_height = min(round(_MOST_HEIGHT * height), height - 2 * self.margin)
        self.lettering = Lettering(self.capital, font)

    @property
    def is_wide_enough(self) -> bool:
        """Whether there is room for a few letters and a score."""
        return self.width >= 8 * self.capital

    def top_of(self, row: int, *, head: bool) -> int:
        """Return where a row begins."""
        return self.padding + (self.head if head else 0) + row * self.row

    def bar(self, top: int) -> _Box:
        """Return the whole bar of the row that begins at `top`."""
        height = max(2.0, _BAR_HEIGHT * self.capital)
        below = round(top + (1 + _BAR_BELOW) * self.capital)
        return _Box(self.padding, below, self.width - 2 * self.padding, height, height / 2)

    def rows(self, wanted: int, *, head: bool) -> int:
        """Return how many of the rows that are wanted there is room for."""
        room = self.most_height - self.padding - (self.head if head else 0)
        return max(0, min(wanted, room // self.row))

    def height(self, rows: int, *, head: bool) -> int:
        """Return the height of the panel; the space below the last row's bar is the padding."""
        body = self.padding + rows * self.row if rows else 0
        return body + (self.head if head else 0)


class Drawer:
    """Draws overlays on yuv420p pictures of one size, in their lower left corner.  For use by one thread.

    A new overlay of five lines takes some 6 ms to render for 1080p; each picture with it 0.1 ms.

    font: what to write in where it has the letters; None: Pillow's own.  See `text`.
    """

    def __init__(self, width: int, height: int, font: FontFile | None = None) -> None:
        self._height = height
        self._layout = _Layout(width, height, font)
        self._overlay: Overlay | None = None
        self._stamp: tuple[_StampPlane, ...] = ()

    def draw(self, planes: Planes, overlay: Overlay) -> None:
        """Blend `overlay` into the planes of a picture; the same object as before is not rendered again."""
        if overlay is not self._overlay:
            self._overlay = overlay
            self._stamp = self._render(overlay)
        for stamp, plane in zip(self._stamp, planes, strict=False):
            stamp.onto(plane)

    def _render(self, overlay: Overlay) -> tuple[_StampPlane, ...]:
        """Return the stamp of `overlay`; none where there is nothing to show, or no room."""
        layout = self._layout
        head = bool(overlay.event) or overlay.warming_up
        rows = layout.rows(len(overlay.lines), head=head)
        height = layout.height(rows, head=head)
        if not 0 < height <= layout.most_height or not layout.is_wide_enough:
            return ()
        panel = _Panel(layout.width, height)
        outline = _Box(0, 0, layout.width, height, 0.6 * layout.capital)
        panel.box(outline, _BACKGROUND)
        if overlay.event:
            panel.box(outline._replace(height=layout.head), _EVENT)
        if head:
            _draw_head(panel, layout, overlay)
        for number in range(rows):
            _draw_row(panel, layout, layout.top_of(number, head=head), overlay, number)
        top = self._height - layout.margin - height
        return _stamp(panel.finished(), layout.margin // 2 * 2, top // 2 * 2)


def _draw_head(panel: _Panel, layout: _Layout, overlay: Overlay) -> None:
    """Draw the event under way, or that the window is not full yet."""
    capital = layout.capital
    room = layout.width - 3 * layout.padding - capital
    if overlay.event:
        text, colour = layout.lettering.fitted(overlay.event, _name_of(overlay), room), _EVENT_TEXT
    else:
        text, colour = layout.lettering.fitted("warming up", width=room), _QUIET
    dot = _Box(layout.padding, (layout.head - 0.8 * capital) / 2, 0.8 * capital, 0.8 * capital, 0.4 * capital)
    panel.box(dot, _EVENT_TEXT if overlay.event else _BAR_QUIET)
    panel.text((layout.padding + round(1.6 * capital), (layout.head + capital) // 2), text, colour)


def _name_of(overlay: Overlay) -> str:
    """Return what to call the event's class where its label cannot be drawn."""
    labels = [label for label, _ in overlay.lines]
    return _fallback(overlay, labels.index(overlay.event)) if overlay.event in labels else "event"


def _fallback(overlay: Overlay, number: int) -> str:
    """Return what to call a line's class where its label cannot be drawn."""
    return f"class {overlay.class_ids[number]}" if number < len(overlay.class_ids) else "class ?"


def _draw_row(panel: _Panel, layout: _Layout, top: int, overlay: Overlay, number: int) -> None:
    """Draw a label, its score in percent, and a bar below them, filled as far as the score says."""
    label, score = overlay.lines[number]
    score = min(max(score, 0.0), 1.0)
    bar, baseline = layout.bar(top), top + layout.capital
    shown = layout.lettering.fitted(label, _fallback(overlay, number), int(bar.width) - 4 * layout.capital)
    percent = layout.lettering.fitted(f"{100 * score:.0f}%")
    colour = _WHITE if number == 0 else _QUIET
    panel.text((layout.padding, baseline), shown, colour)
    panel.text((layout.padding + int(bar.width), baseline), percent, colour, anchor="rs")
    panel.box(bar, _TRACK)
    if score * bar.width >= 1:
        filled = _EVENT if overlay.event == label else _BAR_QUIET if overlay.warming_up else _BAR
        panel.box(bar._replace(width=max(score * bar.width, bar.height)), filled)


def _stamp(rgba: Pixels, left: int, top: int) -> tuple[_StampPlane, ...]:
    """Return a picture as YUV, its chroma at half the size, to be put at (left, top), both even."""
    height, width = (side // 2 * 2 for side in rgba.shape[:2])
    yuv = np.asarray(cv2.cvtColor(rgba[:height, :width], cv2.COLOR_RGB2YUV_I420), np.uint8)
    luma, blue, red = np.split(yuv.ravel(), [height * width, height * width * 5 // 4])
    opacity = np.ascontiguousarray(rgba[:height, :width, 3])
    half = np.asarray(cv2.resize(opacity, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
    planes = ((top, left, luma, opacity), (top // 2, left // 2, blue, half), (top // 2, left // 2, red, half))
    return tuple(_stamp_plane(*plane) for plane in planes)


def _stamp_plane(top: int, left: int, colour: Pixels, opacity: Pixels) -> _StampPlane:
    share = np.round(opacity * np.float32(256 / 255)).astype(np.uint16)
    # 128 of 256 round where it is blended.
    return _StampPlane(top, left, colour.reshape(opacity.shape) * share + np.uint16(128), 256 - share)
