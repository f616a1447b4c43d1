from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pptsn.runtime.stream.recording.preview import PreviewMaker
from tests.clips import ORIENTATIONS, Pixels, turn_mp4, write_clip


def frame_of(width: int, height: int) -> av.VideoFrame:
    """Return a yuv420p frame whose left half is red and whose lower right quarter is blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (230, 20, 20)
    pixels[height // 2 :, width // 2 :] = (20, 20, 230)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")


def opened(jpeg: bytes) -> Pixels:
    """Return a JPEG's pixels as RGB."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(picture[..., ::-1])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (360, 640)),
        ((320, 240), (320, 240)),
        ((641, 3), (640, 3)),
        ((2000, 2), (640, 1)),
    ],
)
def test_a_picture_is_scaled_down_in_its_shape_and_never_up(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    made = PreviewMaker().maybe(frame_of(*size), 0.0)
    assert made is not None
    jpeg, width, height = made
    assert (width, height) == expected
    assert opened(jpeg).shape == (height, width, 3)


def test_its_colours_are_those_of_the_frame() -> None:
    made = PreviewMaker().maybe(frame_of(1280, 720), 0.0)
    assert made is not None
    pixels = opened(made[0]).astype(int)
    for (x, y), colour in (((100, 100), (230, 20, 20)), ((500, 300), (20, 20, 230)), ((500, 60), (0, 0, 0))):
        assert np.abs(pixels[y, x] - colour).max() <= 12


def test_pixels_are_made_square() -> None:
    maker = PreviewMaker(max_width=2000)
    for time_s, (aspect, expected) in enumerate(((16 / 11, (1024, 576)), (1 / 2, (704, 1152)), (0.0, (704, 576)))):
        made = maker.maybe(frame_of(704, 576), time_s, pixel_aspect=aspect)
        assert made is not None
        assert made[1:] == expected


def test_a_turned_video_stands_upright(tmp_path: Path) -> None:
    path = turn_mp4(write_clip(tmp_path / "a.mp4", frames=1, width=128, height=64), ORIENTATIONS["clockwise"])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    made = PreviewMaker().maybe(frame, 0.0)
    assert made is not None
    assert made[1:] == (64, 128)
    expected = np.rot90(frame.to_ndarray(format="rgb24"), -1).astype(int)
    assert np.abs(opened(made[0]).astype(int) - expected).mean() < 12


@pytest.mark.parametrize(("rate_hz", "expected"), [(30, 100), (25, 100), (12, 100), (5, 50), (1000, 100)])
def test_pictures_come_at_the_rate_whatever_the_frame_rate(rate_hz: int, expected: int) -> None:
    maker = PreviewMaker(max_rate_hz=10)
    frame = frame_of(32, 32)
    made = sum(maker.maybe(frame, number / rate_hz) is not None for number in range(10 * rate_hz))
    assert expected - 2 <= made <= expected + 1


def test_after_a_pause_pictures_do_not_come_all_at_once() -> None:
    maker = PreviewMaker(max_rate_hz=10)
    frame = frame_of(32, 32)
    assert maker.maybe(frame, 0.0) is not None
    made = sum(maker.maybe(frame, 100 + number / 1000) is not None for number in range(500))
    assert made <= 7


def test_a_clock_that_is_set_back_does_not_stop_the_pictures() -> None:
    maker = PreviewMaker(max_rate_hz=10)
    frame = frame_of(32, 32)
    made = [maker.maybe(frame, time_s) is not None for time_s in (5000.0, 0.0, 0.05, 0.1, 0.2)]
    assert made == [True, True, False, True, True]


@pytest.mark.parametrize("pixel_format", ["yuvj422p", "nv12", "rgb24", "gray", "yuv420p10le", "bgra", "yuyv422"])
def test_frames_of_any_format_will_do(pixel_format: str) -> None:
    made = PreviewMaker().maybe(frame_of(64, 64).reformat(format=pixel_format), 0.0)
    assert made is not None
    assert opened(made[0]).shape == (64, 64, 3)
