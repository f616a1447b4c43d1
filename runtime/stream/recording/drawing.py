"""Drawing labels, score bars and events on pictures.

What an overlay looks like is rendered once, as a small translucent stamp; on each picture it is blended into the
planes, in its corner alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from pptsn.runtime.stream.recording.canvas import Planes
from pptsn.runtime.stream.recording.fonts import FontFile
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.recording.text import Lettering, Line
from pptsn.runtime.video.frame import Pixels

_Colour = tuple[int, int, int]

# RGB.
_BACKGROUND: _Colour = (13, 17, 23)
_WHITE: _Colour = (255, 255, 255)
_QUIET: _Colour = (196, 203, 212)
_BAR: _Colour = (56, 189, 248)
_BAR_QUIET: _Colour = (170, 178, 188)
_EVENT: _Colour = (255, 179, 0)
_EVENT_TEXT: _Colour = (28, 20, 0)
_BACKGROUND_OPACITY = 0.8
_TRACK_OPACITY = 0.22
# Edges are drawn so many times larger and shrunk.
_OVERSAMPLING = 4

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


@dataclass(frozen=True, eq=False)
class _Stamp:
    """A rendered overlay."""

    planes: tuple[_StampPlane, ...]

    def onto(self, planes: Planes) -> None:
        for stamp, plane in zip(self.planes, planes, strict=True):
            stamp.onto(plane)


class _Box(NamedTuple):
    """A rectangle with round corners, in pixels."""

    left: int
    top: int
    width: float
    height: int
    radius: float


def _fill(picture: Image.Image, box: _Box, colour: _Colour, opacity: float = 1.0) -> None:
    """Fill a rectangle with round corners, with smooth edges."""
    size = (math.ceil(box.width) * _OVERSAMPLING, box.height * _OVERSAMPLING)
    large = Image.new("L", size)
    outline = (0, 0, box.width * _OVERSAMPLING - 1, box.height * _OVERSAMPLING - 1)
    ImageDraw.Draw(large).rounded_rectangle(outline, box.radius * _OVERSAMPLING, fill=round(255 * opacity))
    picture.paste((*colour, 255), (box.left, box.top), large.reduce(_OVERSAMPLING))


def _write(picture: Image.Image, left: int, baseline: int, line: Line, colour: _Colour) -> None:
    """Write a line of text; what lies outside of the picture is cut off."""
    picture.paste((*colour, 255), (left + line.left, baseline - line.mask.height * 2 // 3), line.mask)


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
        height = max(2, round(_BAR_HEIGHT * self.capital))
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


class _Row(NamedTuple):
    """A line of an overlay: what is written, or otherwise where that cannot be; and how."""

    label: str
    otherwise: str
    score: float
    text_colour: _Colour
    bar_colour: _Colour


class Drawer:
    """Draws overlays on yuv420p pictures of one size, in their lower left corner.  For use by one thread.

    A new overlay of five lines takes some 5 ms to render for 1080p; each picture with it 0.1 ms.

    font: what to write in where it has the letters; None: Pillow's own.  See `text`.
    """

    def __init__(self, width: int, height: int, font: FontFile | None = None) -> None:
        self._height = height
        self._layout = _Layout(width, height, font)
        self._overlay: Overlay | None = None
        self._stamp: _Stamp | None = None
        # What is the same in overlays of one kind: their number of rows, with an event, with another head.
        self._kind: tuple[int, bool, bool] | None = None
        self._panel = Image.new("RGBA", (1, 1))

    def draw(self, planes: Planes, overlay: Overlay) -> None:
        """Blend `overlay` into the planes of a picture; the same object as before is not rendered again."""
        if overlay is not self._overlay:
            self._overlay = overlay
            self._stamp = self._render(overlay)
        if self._stamp is not None:
            self._stamp.onto(planes)

    def _render(self, overlay: Overlay) -> _Stamp | None:
        """Return the stamp of `overlay`; None where there is nothing to show, or no room."""
        layout = self._layout
        head = bool(overlay.event) or overlay.warming_up
        rows = layout.rows(len(overlay.lines), head=head)
        height = layout.height(rows, head=head)
        if not 0 < height <= layout.most_height or not layout.is_wide_enough:
            return None
        kind = (rows, bool(overlay.event), head)
        if kind != self._kind:
            self._kind, self._panel = kind, _draw_panel(layout, height, kind)
        picture = self._panel.copy()
        if head:
            _draw_head(picture, layout, overlay)
        for number in range(rows):
            _draw_row(picture, layout, layout.top_of(number, head=head), _row_of(overlay, number))
        return _stamp(picture, layout.margin // 2 * 2, (self._height - layout.margin - height) // 2 * 2)


def _draw_panel(layout: _Layout, height: int, kind: tuple[int, bool, bool]) -> Image.Image:
    """Return the background of an overlay of that kind, RGBA."""
    rows, event, head = kind
    picture = Image.new("RGBA", (layout.width, height), (*_BACKGROUND, 0))
    panel = _Box(0, 0, layout.width, height, 0.6 * layout.capital)
    _fill(picture, panel, _BACKGROUND, _BACKGROUND_OPACITY)
    if event:
        _fill(picture, panel._replace(height=layout.head), _EVENT)
    for number in range(rows):
        _fill(picture, layout.bar(layout.top_of(number, head=head)), _WHITE, _TRACK_OPACITY)
    return picture


def _draw_head(picture: Image.Image, layout: _Layout, overlay: Overlay) -> None:
    """Draw the event under way, or that the window is not full yet."""
    capital = layout.capital
    room = layout.width - 3 * layout.padding - capital
    side = round(0.8 * capital)
    dot = _Box(layout.padding, (layout.head - side) // 2, side, side, side / 2)
    if overlay.event:
        line, colour = layout.lettering.line(overlay.event, _name_of(overlay), room), _EVENT_TEXT
    else:
        line, colour = layout.lettering.line("warming up", width=room), _QUIET
    _fill(picture, dot, _EVENT_TEXT if overlay.event else _BAR_QUIET)
    _write(picture, layout.padding + round(1.6 * capital), (layout.head + capital) // 2, line, colour)


def _name_of(overlay: Overlay) -> str:
    """Return what to call the event's class where its label cannot be drawn."""
    labels = [label for label, _ in overlay.lines]
    return _fallback(overlay, labels.index(overlay.event)) if overlay.event in labels else "event"


def _fallback(overlay: Overlay, number: int) -> str:
    """Return what to call a line's class where its label cannot be drawn."""
    return f"class {overlay.class_ids[number]}" if number < len(overlay.class_ids) else "class ?"


def _row_of(overlay: Overlay, number: int) -> _Row:
    label, score = overlay.lines[number]
    bar_colour = _BAR_QUIET if overlay.warming_up else _BAR
    if overlay.event and label == overlay.event:
        bar_colour = _EVENT
    text_colour = _WHITE if number == 0 else _QUIET
    return _Row(label, _fallback(overlay, number), min(max(score, 0.0), 1.0), text_colour, bar_colour)


def _draw_row(picture: Image.Image, layout: _Layout, top: int, row: _Row) -> None:
    """Draw a label, its score in percent, and the filled part of the bar below them."""
    lettering, bar = layout.lettering, layout.bar(top)
    score = lettering.line(f"{100 * row.score:.0f}%")
    room = int(bar.width) - lettering.line("100%").width - layout.capital
    baseline = top + layout.capital
    _write(picture, bar.left + int(bar.width) - score.width, baseline, score, row.text_colour)
    _write(picture, bar.left, baseline, lettering.line(row.label, row.otherwise, room), row.text_colour)
    if row.score * bar.width >= 1:
        _fill(picture, bar._replace(width=max(row.score * bar.width, bar.height)), row.bar_colour)


def _stamp(picture: Image.Image, left: int, top: int) -> _Stamp:
    """Return `picture` as YUV, its chroma at half the size, to be put at (left, top), both even."""
    width, height = (side // 2 * 2 for side in picture.size)
    rgba = np.asarray(picture)[:height, :width]
    yuv = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGB2YUV_I420), np.uint8)
    luma, blue, red = np.split(yuv.ravel(), [height * width, height * width * 5 // 4])
    opacity = np.ascontiguousarray(rgba[..., 3])
    half = np.asarray(cv2.resize(opacity, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
    return _Stamp(
        (
            _stamp_plane(top, left, luma, opacity),
            _stamp_plane(top // 2, left // 2, blue, half),
            _stamp_plane(top // 2, left // 2, red, half),
        )
    )


def _stamp_plane(top: int, left: int, colour: Pixels, opacity: Pixels) -> _StampPlane:
    share = np.round(opacity * np.float32(256 / 255)).astype(np.uint16)
    # 128 of 256 round where it is blended.
    return _StampPlane(top, left, colour.reshape(opacity.shape) * share + np.uint16(128), 256 - share)
