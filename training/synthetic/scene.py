"""One synthetic clip: a coloured shape that moves over a cluttered, noisy background under changing light.

What names the class is the moving shape, by its form and its colour together.  The background holds still shapes
of the same forms in grey and small still squares in the same colours, so that neither a form nor a colour in the
picture tells the class by itself.
Everything but the shape's form and colour is drawn without knowing the class.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Colour = tuple[float, float, float]

COLOURS = ("red", "yellow", "green", "blue")
FORMS = ("disc", "cross")
CLASS_NAMES = tuple(f"{colour} {form}" for colour in COLOURS for form in FORMS)

# Hues as fractions of the colour circle.
_HUES = {"red": 0.0, "yellow": 0.15, "green": 0.35, "blue": 0.62}
_HUE_SPREAD = 0.02
# cv2 takes coordinates in fixed point: so many fractional bits.
_SHIFT = 6


@dataclass(frozen=True)
class SceneLayout:
    """The size and timing of a clip: pixels, frames, frames a second."""

    width: int
    height: int
    frames: int
    fps: int


@dataclass(frozen=True)
class SceneStyle:
    """How well a scene shows its shape.

    radius: the range of its radius, as shares of the short side.  grain: the range of the noise, in grey levels.
    bars: still bars in front of all.
    """

    radius: tuple[float, float] = (0.2, 0.28)
    grain: tuple[float, float] = (3, 9)
    bars: int = 0


@dataclass(frozen=True)
class Spot:
    """When and where alone a shape shows: it turns on its place in a corner.

    frames: in which it shows.  right, bottom: which corner.  inside: from its centre to both edges, in radii.
    """

    frames: range
    right: bool
    bottom: bool
    inside: float

    def place(self, layout: SceneLayout, radius: float) -> tuple[float, float]:
        """Return the shape's centre, in pixels."""
        gap = self.inside * radius
        x = layout.width - 1 - gap if self.right else gap
        return x, layout.height - 1 - gap if self.bottom else gap


PLAIN = SceneStyle()
HARD = SceneStyle(radius=(0.15, 0.22), grain=(8, 22), bars=2)


def draw_layout(rng: np.random.Generator) -> SceneLayout:
    """Draw a size of 96 to 160 px (even, landscape or portrait), 12 to 25 Hz and a length of 0.6 to 1.5 s."""
    short = 2 * int(rng.integers(48, 61))
    long = min(160, 2 * int(short * rng.uniform(1.0, 1.36) / 2))
    width, height = (long, short) if rng.random() < 0.5 else (short, long)
    fps = int(rng.choice((12, 15, 20, 24, 25)))
    return SceneLayout(width, height, frames=round(fps * rng.uniform(0.6, 1.5)), fps=fps)


def _outline(form: str) -> Points:
    """Return the corners (N, 2) of a form of area pi around the origin: every form shows equally many pixels."""
    if form == "disc":
        angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    elif form == "cross":
        a, b = 1.0, 0.2
        corner = [(b, a), (b, b), (a, b), (a, -b), (b, -b), (b, -a)]
        points = np.array(corner + [(-x, -y) for x, y in corner], dtype=np.float64)
    else:  # a square
        points = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64)
    x, y = points.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    scaled: Points = points * math.sqrt(math.pi / area)
    return scaled


def _fill(
    image: Frame, form: str, *, centre: tuple[float, float], radius: float, turn: float, colour: Colour
) -> None:
    """Draw a filled form into `image`: radius in pixels is that of a disc of the same area, turn in radians."""
    cos, sin = math.cos(turn), math.sin(turn)
    points = _outline(form) @ np.array([[cos, sin], [-sin, cos]]) * radius + np.array(centre)
    fixed = np.round(points * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(image, [fixed], colour, lineType=cv2.LINE_AA, shift=_SHIFT)


def _class_colour(name: str, rng: np.random.Generator) -> Colour:
    """Draw an RGB colour (0..255) that bears `name`: its hue within a spread, saturated, dark to bright."""
    hue = (_HUES[name] + rng.uniform(-_HUE_SPREAD, _HUE_SPREAD)) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, rng.uniform(0.75, 1.0), rng.uniform(0.65, 1.0))
    return 255 * red, 255 * green, 255 * blue


def _draw_background(layout: SceneLayout, rng: np.random.Generator) -> Frame:
    """Return a texture of muted colour with still grey forms and still small squares in the classes' colours."""
    width, height = layout.width, layout.height
    texture = np.full((height, width, 3), rng.uniform(20, 60, 3) + rng.uniform(40, 100), dtype=np.float32)
    for cell, strength in ((40, 30), (12, 20), (4, 10)):
        grid = (height // cell + 2, width // cell + 2, 3)
        noise = rng.normal(0, strength, (*grid[:2], 1)) + rng.normal(0, strength / 3, grid)
        texture += cv2.resize(noise.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    image = np.clip(texture, 0, 255).astype(np.uint8)
    short = min(width, height)
    for _ in range(int(rng.integers(1, 5))):
        grey = rng.uniform(20, 235)
        _fill_anywhere(image, str(rng.choice(FORMS)), rng.uniform(0.06, 0.18) * short, (grey, grey, grey), rng)
    for _ in range(int(rng.integers(0, 4))):
        colour = _class_colour(str(rng.choice(COLOURS)), rng)
        _fill_anywhere(image, "square", rng.uniform(0.04, 0.08) * short, colour, rng)
    return image


def _fill_anywhere(image: Frame, form: str, radius: float, colour: Colour, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    centre = (rng.uniform(0, width), rng.uniform(0, height))
    _fill(image, form, centre=centre, radius=radius, turn=rng.uniform(0, math.pi), colour=colour)


def _bounced(start: float, distance: float, low: float, high: float) -> float:
    """Return where something is that set out at `start`, covered `distance` and was thrown back by both walls."""
    span = high - low
    position = (start - low + distance) % (2 * span)
    return low + (position if position <= span else 2 * span - position)


# So far from its centre, in radii, can a form reach: the cross is the widest.
_REACH = 1.56


@dataclass(frozen=True)
class _Flight:
    """How the shape moves: pixels, pixels a second, radians, radians a second."""

    radius: float
    start: tuple[float, float]
    velocity: tuple[float, float]
    turn: float
    spin: float

    def at(self, time_s: float, layout: SceneLayout) -> tuple[float, float]:
        margin = _REACH * self.radius
        x = _bounced(self.start[0], self.velocity[0] * time_s, margin, layout.width - 1 - margin)
        y = _bounced(self.start[1], self.velocity[1] * time_s, margin, layout.height - 1 - margin)
        return x, y


def _draw_flight(layout: SceneLayout, rng: np.random.Generator, style: SceneStyle) -> _Flight:
    short = min(layout.width, layout.height)
    radius = rng.uniform(*style.radius) * short
    speed, direction = rng.uniform(0.3, 1.2) * short, rng.uniform(0, 2 * math.pi)
    margin = _REACH * radius
    start = (rng.uniform(margin, layout.width - 1 - margin), rng.uniform(margin, layout.height - 1 - margin))
    velocity = (speed * math.cos(direction), speed * math.sin(direction))
    return _Flight(radius, start, velocity, rng.uniform(0, 2 * math.pi), rng.uniform(-3, 3))


def _draw_bars(layout: SceneLayout, rng: np.random.Generator, style: SceneStyle) -> list[tuple[Points, Colour]]:
    """Return the corners and colours of bars across the whole picture."""
    reach, short = math.hypot(layout.width, layout.height), min(layout.width, layout.height)
    bars = []
    for _ in range(style.bars):
        turn, width = rng.uniform(0, math.pi), rng.uniform(0.03, 0.08) * short
        along = np.array((math.cos(turn), math.sin(turn)))
        across = np.array((-along[1], along[0])) * width
        middle = np.array((rng.uniform(0, layout.width), rng.uniform(0, layout.height)))
        ends = (middle - reach * along, middle + reach * along)
        grey = rng.uniform(20, 235)
        bars.append(
            (np.array([ends[0] - across, ends[1] - across, ends[1] + across, ends[0] + across]), (grey,) * 3)
        )
    return bars


def clip_frames(
    layout: SceneLayout,
    class_name: str | None,
    *,
    scene_rng: np.random.Generator,
    shape_rng: np.random.Generator,
    style: SceneStyle = PLAIN,
    spot: Spot | None = None,
) -> Iterator[Frame]:
    """Yield the frames of one clip, (H, W, 3) uint8 RGB; without a class name, the scene without its shape.

    The scene (background, bars, light, noise) comes from `scene_rng` alone, so that it is the same with
    and without the shape; flight, shade and spin of the shape come from `shape_rng`.
    spot: where and when alone the shape shows; None: it flies through the whole clip.
    """
    background = _draw_background(layout, scene_rng)
    light, swing = scene_rng.uniform(0.75, 1.1), scene_rng.uniform(0.0, 0.15)
    pace, phase = scene_rng.uniform(2, 9), scene_rng.uniform(0, 2 * math.pi)
    grain = scene_rng.uniform(*style.grain)
    bars = _draw_bars(layout, scene_rng, style)
    flight = _draw_flight(layout, shape_rng, style)
    if class_name is not None:
        colour_name, form = class_name.split()
        colour = _class_colour(colour_name, shape_rng)
    for index in range(layout.frames):
        time_s = index / layout.fps
        image = background.copy()
        if class_name is not None and (spot is None or index in spot.frames):
            turn = flight.turn + flight.spin * time_s
            centre = flight.at(time_s, layout) if spot is None else spot.place(layout, flight.radius)
            _fill(image, form, centre=centre, radius=flight.radius, turn=turn, colour=colour)
        for corners, grey in bars:
            cv2.fillPoly(image, [np.round(corners * (1 << _SHIFT)).astype(np.int32)], grey, shift=_SHIFT)
        brightness = light * (1 + swing * math.sin(pace * time_s + phase))
        noise = scene_rng.standard_normal((layout.height, layout.width, 1), dtype=np.float32) * grain
        yield np.clip(image * np.float32(brightness) + noise, 0, 255).astype(np.uint8)
