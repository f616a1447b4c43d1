"""Drawing labels, score bars and events on pictures.

What an overlay looks like is rendered once, as a small translucent stamp; on each picture it is blended into the
planes, in its corner alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from runtime.stream.capture.canvas import Planes
from runtime.stream.capture.overlay import Overlay
from runtime.stream.capture.text import Font, drawable
from runtime.video.frame import Pixels

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

# From RGB in 0..255 to limited-range BT.601.
_TO_YUV = np.array(
    [[0.25679, 0.50413, 0.09791], [-0.14822, -0.29099, 0.43922], [0.43922, -0.36779, -0.07143]], np.float32
)
_YUV_ZERO = np.array((16, 128, 128), np.float32)


class Drawer:
    """Draws overlays on yuv420p pictures of one size, in their lower left corner.  For use by one thread."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._overlay: Overlay | None = None
        self._stamp: _Stamp | None = None

    def draw(self, planes: Planes, overlay: Overlay) -> None:
        """Blend `overlay` into the planes of a picture; the same object as before is not rendered again."""
        if overlay is not self._overlay:
            self._overlay = overlay
            self._stamp = _render(overlay, *self._size)
        if self._stamp is not None:
            self._stamp.onto(planes)


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
    """A translucent RGB picture: colour times opacity, (h, w, 3) in 0..255, and opacity, (h, w) in 0..1."""

    def __init__(self, width: int, height: int) -> None:
        self.colour: _Floats = np.zeros((height, width, 3), np.float32)
        self.opacity: _Floats = np.zeros((height, width), np.float32)

    def box(self, box: _Box, colour: _Colour, opacity: float = 1.0) -> None:
        """Fill a rectangle with round corners."""
        height, width = self.opacity.shape
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
        height, width = self.opacity.shape
        mask = mask[max(0, -top) : height - top, max(0, -left) : width - left]
        top, left = max(0, top), max(0, left)
        place = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        self.opacity[place] += (1 - self.opacity[place]) * mask
        self.colour[place] += (np.array(colour, np.float32) - self.colour[place]) * mask[..., None]


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

    def rows(self, wanted: int, *, head: bool) -> int:
        """Return how many of the rows that are wanted there is room for."""
        room = self.most_height - self.padding - (self.head if head else 0)
        return max(0, min(wanted, room // self.row))

    def height(self, rows: int, *, head: bool) -> int:
        """Return the height of the panel; the space below the last row's bar is the padding."""
        body = self.padding + rows * self.row if rows else 0
        return body + (self.head if head else 0)


class _Row(NamedTuple):
    """A line of the overlay: its place from 0, label and score."""

    number: int
    label: str
    score: float


def _render(overlay: Overlay, width: int, height: int) -> _Stamp | None:
    """Return the stamp for pictures of that size; None where there is nothing to show, or no room."""
    layout = _Layout(width, height)
    head = bool(overlay.event) or overlay.warming_up
    rows = layout.rows(len(overlay.lines), head=head)
    panel_height = layout.height(rows, head=head)
    if panel_height == 0 or panel_height > height or layout.width < 8 * layout.capital:
        return None
    sketch = _Sketch(layout.width, panel_height)
    panel = _Box(0, 0, layout.width, panel_height, 0.6 * layout.capital)
    sketch.box(panel, _BACKGROUND, _BACKGROUND_OPACITY)
    if head:
        _draw_head(sketch, layout, overlay)
    top = layout.padding + (layout.head if head else 0)
    for number, (label, score) in enumerate(overlay.lines[:rows]):
        _draw_row(sketch, layout, top + number * layout.row, _Row(number, label, score), overlay)
    left = layout.margin // 2 * 2
    return _stamp(sketch, left, (height - layout.margin - panel_height) // 2 * 2)


def _draw_head(sketch: _Sketch, layout: _Layout, overlay: Overlay) -> None:
    """Draw the event under way, or that the window is not full yet."""
    capital, font = layout.capital, layout.font
    baseline = (layout.head + capital) / 2
    room = layout.width - 3 * layout.padding - capital
    dot = _Box(layout.padding, (layout.head - 0.8 * capital) / 2, 0.8 * capital, 0.8 * capital, 0.4 * capital)
    if overlay.event:
        band = _Box(0, 0, layout.width, layout.head, 0.6 * capital)
        sketch.box(band, _EVENT)
        sketch.box(dot, _EVENT_TEXT)
        text, colour = drawable(overlay.event, "event"), _EVENT_TEXT
    else:
        sketch.box(dot, _BAR_QUIET)
        text, colour = "warming up", _QUIET
    sketch.text(layout.padding + 1.6 * capital, baseline, font.shorten(text, room), font, colour)


def _draw_row(sketch: _Sketch, layout: _Layout, top: int, row: _Row, overlay: Overlay) -> None:
    """Draw a label, its score in percent, and a bar below them."""
    capital, font = layout.capital, layout.font
    score = min(max(row.score, 0.0), 1.0)
    percent = f"{100 * score:.0f}%"
    left, right = layout.padding, layout.width - layout.padding
    colour = _WHITE if row.number == 0 else _QUIET
    label = drawable(row.label, f"label {row.number + 1}")
    baseline = top + capital
    sketch.text(right - font.width(percent), baseline, percent, font, colour)
    sketch.text(left, baseline, font.shorten(label, right - left - font.width("100%") - capital), font, colour)
    height = max(2.0, _BAR_HEIGHT * capital)
    bar = _Box(left, round(baseline + _BAR_BELOW * capital), right - left, height, height / 2)
    sketch.box(bar, _WHITE, _TRACK_OPACITY)
    if score * bar.width >= 1:
        filled = bar._replace(width=max(score * bar.width, height))
        sketch.box(filled, _bar_colour(row, overlay))


def _bar_colour(row: _Row, overlay: Overlay) -> _Colour:
    if overlay.event and row.label == overlay.event:
        return _EVENT
    return _BAR_QUIET if overlay.warming_up else _BAR


def _stamp(sketch: _Sketch, left: int, top: int) -> _Stamp:
    """Return `sketch` as YUV, its chroma at half the size, to be put at (left, top), both even."""
    height, width = (side // 2 * 2 for side in sketch.opacity.shape)
    opacity = sketch.opacity[:height, :width]
    yuv = sketch.colour[:height, :width] @ _TO_YUV.T + opacity[..., None] * _YUV_ZERO
    fine = np.dstack([yuv[..., 1:], opacity])
    half = np.asarray(cv2.resize(fine, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)
    parts: Sequence[tuple[int, _Floats, _Floats]] = (
        (1, yuv[..., 0], opacity),
        (2, half[..., 0], half[..., 2]),
        (2, half[..., 1], half[..., 2]),
    )
    return _Stamp(tuple(_stamp_plane(top // step, left // step, pre, alpha) for step, pre, alpha in parts))


def _stamp_plane(top: int, left: int, pre: _Floats, opacity: _Floats) -> _StampPlane:
    rest = np.rint(256 * (1 - opacity)).astype(np.uint16)
    # Half a level is added here, once, for the rounding of every picture.
    return _StampPlane(top, left, np.clip(np.rint(256 * pre) + 128, 0, 65535 - 255 * rest).astype(np.uint16), rest)
