"""Generated pictures of a figure that moves, so that a page can be shown without anybody's film."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]


class Pose(NamedTuple):
    """Angles in degrees, 0 hanging down and 90 to the side; `crouch` in 0..1; `lift` in body lengths."""

    left_arm: float
    right_arm: float
    left_leg: float = 8
    right_leg: float = 8
    crouch: float = 0
    lift: float = 0


class Scene(NamedTuple):
    """A place and what somebody does there; colours are BGR, from above to below."""

    label: str
    size: tuple[int, int]
    wall: tuple[Colour, Colour]
    floor: Colour
    figure: Colour
    pose: Callable[[float], Pose]
    balls: int = 0


def _wave(time_s: float, period_s: float) -> float:
    return 0.5 - 0.5 * math.cos(2 * math.pi * time_s / period_s)


def _jumping_jacks(time_s: float) -> Pose:
    open_ = _wave(time_s, 1.1)
    arm = 20 + 145 * open_
    return Pose(arm, arm, 5 + 25 * open_, 5 + 25 * open_, lift=0.12 * math.sin(math.pi * open_))


def _juggling(time_s: float) -> Pose:
    return Pose(60 + 20 * _wave(time_s, 0.6), 60 + 20 * _wave(time_s + 0.3, 0.6))


def _squat(time_s: float) -> Pose:
    down = _wave(time_s, 2.4)
    return Pose(25 + 65 * down, 25 + 65 * down, 12, 12, crouch=down)


def _waving(time_s: float) -> Pose:
    return Pose(15, 130 + 35 * math.sin(2 * math.pi * time_s / 0.8))


SCENES = (
    Scene(
        "jumping jacks",
        (640, 360),
        ((196, 170, 140), (232, 216, 196)),
        (120, 138, 150),
        (60, 64, 200),
        _jumping_jacks,
    ),
    Scene(
        "juggling balls", (640, 360), ((120, 70, 60), (190, 130, 110)), (70, 50, 46), (90, 200, 245), _juggling, 3
    ),
    Scene("squat", (480, 360), ((150, 160, 120), (205, 214, 180)), (96, 110, 84), (70, 90, 40), _squat),
    Scene("waving hand", (640, 360), ((70, 58, 48), (110, 92, 76)), (44, 38, 34), (210, 170, 250), _waving),
    Scene(
        "jumping jacks",
        (360, 480),
        ((205, 190, 220), (235, 226, 240)),
        (150, 140, 165),
        (130, 60, 90),
        _jumping_jacks,
    ),
    Scene("squat", (640, 360), ((110, 100, 40), (170, 160, 90)), (60, 58, 30), (240, 235, 225), _squat),
)


def draw(scene: Scene, time_s: float) -> Picture:
    """Return what `scene` looks like at a time: (H, W, 3) uint8 BGR."""
    width, height = scene.size
    picture = _room(scene)
    pose = scene.pose(time_s)
    body = 0.26 * height
    hip = (width * (0.5 + 0.03 * math.sin(time_s / 2)), height * (0.58 - 0.5 * pose.lift + 0.1 * pose.crouch))
    cv2.ellipse(
        picture, _pixel((hip[0], 0.87 * height)), (int(body / 2), int(body / 9)), 0, 0, 360, _dark(scene), -1
    )
    _figure(picture, scene.figure, hip, body, pose)
    for ball in range(scene.balls):
        _ball(picture, hip, body, time_s / 1.2 + ball / scene.balls)
    return picture


def encode(picture: Picture) -> bytes:
    """Return `picture` as a JPEG."""
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return jpeg.tobytes()


def _room(scene: Scene) -> Picture:
    width, height = scene.size
    above, below = (np.array(colour, np.float32) for colour in scene.wall)
    steps = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to(above + (below - above) * steps, (height, width, 3)).astype(np.uint8, order="C")
    horizon = int(0.74 * height)
    picture[horizon:] = scene.floor
    cv2.rectangle(picture, (0, horizon), (width, horizon + 3), _dark(scene), -1)
    left, top = int(0.08 * width), int(0.12 * height)
    cv2.rectangle(picture, (left, top), (left + width // 5, top + height // 3), (238, 228, 214), -1)
    cv2.rectangle(picture, (left, top), (left + width // 5, top + height // 3), _dark(scene), 4, cv2.LINE_AA)
    cv2.line(picture, (left + width // 10, top), (left + width // 10, top + height // 3), _dark(scene), 3)
    return picture


def _dark(scene: Scene) -> Colour:
    blue, green, red = scene.floor
    return (int(0.75 * blue), int(0.75 * green), int(0.75 * red))


def _figure(picture: Picture, colour: Colour, hip: Point, body: float, pose: Pose) -> None:
    thick = max(4, int(body / 7))
    shoulder = (hip[0], hip[1] - body * (1 - 0.1 * pose.crouch))
    for side, arm, leg in ((-1, pose.left_arm, pose.left_leg), (1, pose.right_arm, pose.right_leg)):
        _limb(picture, colour, shoulder, 0.8 * body, side * arm, thick)
        knee = _end(hip, 0.52 * body, side * (leg + 55 * pose.crouch))
        _stroke(picture, colour, hip, knee, thick)
        _limb(picture, colour, knee, 0.55 * body, side * (leg - 30 * pose.crouch), thick)
    _stroke(picture, colour, hip, shoulder, 2 * thick)
    cv2.circle(picture, _pixel((shoulder[0], shoulder[1] - 0.4 * body)), int(0.22 * body), colour, -1, cv2.LINE_AA)


def _limb(picture: Picture, colour: Colour, start: Point, length: float, angle: float, thick: int) -> None:
    _stroke(picture, colour, start, _end(start, length, angle), thick)


def _stroke(picture: Picture, colour: Colour, start: Point, end: Point, thick: int) -> None:
    cv2.line(picture, _pixel(start), _pixel(end), colour, thick, cv2.LINE_AA)


def _ball(picture: Picture, hip: Point, body: float, turn: float) -> None:
    phase = 2 * math.pi * turn
    place = (hip[0] + 0.8 * body * math.cos(phase), hip[1] - 1.1 * body - 1.0 * body * max(0.0, math.sin(phase)))
    cv2.circle(picture, _pixel(place), int(0.13 * body), (60, 120, 250), -1, cv2.LINE_AA)


def _end(start: Point, length: float, angle: float) -> Point:
    radians = math.radians(angle)
    return (start[0] + length * math.sin(radians), start[1] + length * math.cos(radians))


def _pixel(point: Point) -> tuple[int, int]:
    return (round(point[0]), round(point[1]))
