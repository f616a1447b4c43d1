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

from pptsn.runtime.stream.recording.canvas import Planes
from pptsn.runtime.stream.recording.overlay import Overlay
from pptsn.runtime.stream.recording.text import Font, drawable
from pptsn.runtime.video.frame import Pixels

_Floats = npt.NDArray[np.float32]
_Colour = tuple[float, float, float]

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

# From RGB in 0..255 times opacity, and opacity, to limited-range BT.601 times opacity, and opacity.
_TO_YUV = np.array(
    [
        [0.25679, 0.50413, 0.09791, 16],
        [-0.14822, -0.29099, 0.43922, 128],
        [0.43922, -0.36779, -0.07143, 128],
        [0, 0, 0, 1],
    ],
    np.float32,
)


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

    left: float
    top: float
    width: float
    height: float
    radius: float


class _Sketch:
    """A translucent picture: (h, w, 4) of red, green and blue, 0..255, times opacity, and opacity, 0..1."""

    def __init__(self, rgba: _Floats) -> None:
        self.rgba = rgba

    def box(self, box: _Box, colour: _Colour, opacity: float = 1.0) -> None:
        """Fill a rectangle with round corners."""
        height, width = self.rgba.shape[:2]
        rows = np.arange(int(box.top), min(height, math.ceil(box.top + box.height)), dtype=np.float32)
        columns = np.arange(int(box.left), min(width, math.ceil(box.left + box.width)), dtype=np.float32)
        # The signed distance of each pixel's centre from the outline makes smooth edges.
        down = np.abs(rows + 0.5 - (box.top + box.height / 2)) - (box.height / 2 - box.radius)
        right = np.abs(columns + 0.5 - (box.left + box.width / 2)) - (box.width / 2 - box.radius)
        outside = np.hypot(np.maximum(down, 0)[:, None], np.maximum(right, 0)[None, :])
        inside = np.minimum(np.maximum(down[:, None], right[None, :]), 0)
        mask = (opacity * np.clip(0.5 + box.radius - outside - inside, 0, 1)).astype(np.float32)
        self._lay(int(box.left), int(box.top), mask, colour)

    def text(self, left: float, baseline: float, text: str, font: Font, colour: _Colour) -> None:
        mask = font.mask(text).astype(np.float32) / np.float32(255)
        self._lay(round(left), round(baseline) - 2 * font.capital_px, mask, colour)

    def _lay(self, left: int, top: int, mask: _Floats, colour: _Colour) -> None:
        """Lay `colour` over a region, as opaque as `mask` says; what lies outside is cut off."""
        height, width = self.rgba.shape[:2]
        mask = mask[max(0, -top) : height - top, max(0, -left) : width - left]
        top, left = max(0, top), max(0, left)
        place = self.rgba[top : top + mask.shape[0], left : left + mask.shape[1]]
        place += (np.array((*colour, 1), np.float32) - place) * mask[..., None]


class _Layout:
    """Where things are on the panel, for pictures of one size; lengths in pixels."""

    def __init__(self, width: int, height: int) -> None:
        short = min(height, width * 0.75)
        self.capital = max(_LEAST_CAPITAL_PX, round(_CAPITAL_SHARE * short))
        self.margin = round(_MARGIN * self.capital)
        self.padding = round(_PADDING * self.capital)
        self.width = min(round(_WIDTH * self.capital), width - 2 * self.margin)
        self.row = round(_ROW * self.capital)
        self.head = round(_HEAD * self.capital)
        self.most_height = min(round(_MOST_HEIGHT * height), height - 2 * self.margin)
        self.font = Font(self.capital)

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


class _Row(NamedTuple):
    """A line of an overlay: what is written, and how."""

    label: str
    score: float
    text_colour: _Colour
    bar_colour: _Colour


class Drawer:
    """Draws overlays on yuv420p pictures of one size, in their lower left corner.  For use by one thread.

    A new overlay of five lines takes some 5 ms to render for 1080p; each picture with it 0.1 ms.
    """

    def __init__(self, width: int, height: int) -> None:
        self._height = height
        self._layout = _Layout(width, height)
        self._overlay: Overlay | None = None
        self._stamp: _Stamp | None = None
        # What is the same in overlays of one kind: their number of rows, with an event, with another head.
        self._kind: tuple[int, bool, bool] | None = None
        self._panel: _Floats = np.empty((0, 0, 4), np.float32)

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
        sketch = _Sketch(self._panel.copy())
        if head:
            _draw_head(sketch, layout, overlay)
        for number in range(rows):
            _draw_row(sketch, layout, layout.top_of(number, head=head), _row_of(overlay, number))
        return _stamp(sketch, layout.margin // 2 * 2, (self._height - layout.margin - height) // 2 * 2)


def _draw_panel(layout: _Layout, height: int, kind: tuple[int, bool, bool]) -> _Floats:
    """Return the background of an overlay of that kind."""
    rows, event, head = kind
    sketch = _Sketch(np.zeros((height, layout.width, 4), np.float32))
    panel = _Box(0, 0, layout.width, height, 0.6 * layout.capital)
    sketch.box(panel, _BACKGROUND, _BACKGROUND_OPACITY)
    if event:
        sketch.box(panel._replace(height=layout.head), _EVENT)
    for number in range(rows):
        sketch.box(layout.bar(layout.top_of(number, head=head)), _WHITE, _TRACK_OPACITY)
    return sketch.rgba


def _draw_head(sketch: _Sketch, layout: _Layout, overlay: Overlay) -> None:
    """Draw the event under way, or that the window is not full yet."""
    capital, font = layout.capital, layout.font
    baseline = (layout.head + capital) / 2
    room = layout.width - 3 * layout.padding - capital
    dot = _Box(layout.padding, (layout.head - 0.8 * capital) / 2, 0.8 * capital, 0.8 * capital, 0.4 * capital)
    if overlay.event:
        sketch.box(dot, _EVENT_TEXT)
        text, colour = drawable(overlay.event, _name_of(overlay)), _EVENT_TEXT
    else:
        sketch.box(dot, _BAR_QUIET)
        text, colour = "warming up", _QUIET
    sketch.text(layout.padding + 1.6 * capital, baseline, font.shorten(text, room), font, colour)


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
    return _Row(drawable(label, _fallback(overlay, number)), min(max(score, 0.0), 1.0), text_colour, bar_colour)


def _draw_row(sketch: _Sketch, layout: _Layout, top: int, row: _Row) -> None:
    """Draw a label, its score in percent, and the filled part of the bar below them."""
    font, bar = layout.font, layout.bar(top)
    percent = f"{100 * row.score:.0f}%"
    right, baseline = bar.left + bar.width, top + layout.capital
    room = int(bar.width) - font.width("100%") - layout.capital
    sketch.text(right - font.width(percent), baseline, percent, font, row.text_colour)
    sketch.text(bar.left, baseline, font.shorten(row.label, room), font, row.text_colour)
    if row.score * bar.width >= 1:
        sketch.box(bar._replace(width=max(row.score * bar.width, bar.height)), row.bar_colour)


def _stamp(sketch: _Sketch, left: int, top: int) -> _Stamp:
    """Return `sketch` as YUV, its chroma at half the size, to be put at (left, top), both even."""
    height, width = (side // 2 * 2 for side in sketch.rgba.shape[:2])
    full = np.asarray(cv2.transform(sketch.rgba[:height, :width], _TO_YUV), np.float32)
    half = np.asarray(cv2.resize(full, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)
    return _Stamp(
        (
            _stamp_plane(top, left, full, 0),
            _stamp_plane(top // 2, left // 2, half, 1),
            _stamp_plane(top // 2, left // 2, half, 2),
        )
    )


def _stamp_plane(top: int, left: int, yuva: _Floats, channel: int) -> _StampPlane:
    # One half rounds here; 128 of 256 round where it is blended.
    pre = (256 * yuva[..., channel] + 128.5).astype(np.uint16)
    rest = (256.5 - 256 * yuva[..., 3]).astype(np.uint16)
    return _StampPlane(top, left, pre, rest)
