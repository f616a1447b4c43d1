from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pptsn.runtime.stream.capture.frozen import FrozenDetector

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 341, 256


def scene(*, width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> Pixels:
    """Return a picture with what an encoder has to work on: gradients, edges, and texture at several scales."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 110, np.float32)
    for size, strength in ((4, 40), (16, 30), (64, 18), (160, 8)):
        patch = rng.normal(0, strength, (size, size * width // height, 3)).astype(np.float32)
        picture += cv2.resize(patch, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        corner = rng.integers(0, (width, height))
        colour = tuple(map(int, rng.integers(0, 256, 3)))
        cv2.rectangle(picture, tuple(map(int, corner)), tuple(map(int, corner + 40)), colour, -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def noisy(picture: Pixels, rng: np.random.Generator, *, sigma: float = 2.0) -> Pixels:
    return np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def encoded(pictures: Sequence[Pixels], options: dict[str, str]) -> list[Pixels]:
    """Return what H.264 at 25 pictures a second makes of the pictures, at the detector's size."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = int(options.get("b", 0))
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) for picture in decoded]


def answers(pictures: Iterable[Pixels], *, period_s: float = 0.32, after_s: float = 3.0) -> list[bool]:
    detector = FrozenDetector(after_s)
    return [detector.add(picture, number * period_s) for number, picture in enumerate(pictures)]


def test_a_picture_that_stays_is_frozen_once_the_time_is_over() -> None:
    picture = scene()
    found = answers([picture] * 20, period_s=0.5, after_s=3.0)
    assert found == [number * 0.5 >= 3.0 for number in range(20)]


def test_it_is_no_longer_frozen_once_it_changes_and_the_time_begins_anew() -> None:
    first, second = scene(seed=1), scene(seed=2)
    found = answers([first] * 10 + [second] * 10, period_s=1.0, after_s=3.0)
    assert found == [number % 10 >= 3 for number in range(20)]


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "veryfast", "tune": "zerolatency", "b": "150000", "sc_threshold": "0"},
        {"preset": "ultrafast", "b": "300000"},
        {"preset": "fast", "crf": "35"},
    ],
    ids=lambda options: "-".join(options.values()),
)
@pytest.mark.parametrize("step", [1, pytest.param(8, marks=pytest.mark.slow), 10])
def test_what_an_encoder_makes_of_one_picture_is_frozen(options: dict[str, str], step: int) -> None:
    still = cv2.resize(scene(), (640, 360), interpolation=cv2.INTER_CUBIC)
    pictures = encoded([still] * 200, {"g": "12", **options})[24::step]
    assert not all(np.array_equal(pictures[0], picture) for picture in pictures)  # the encoder did change it
    found = answers(pictures, period_s=step / 25, after_s=3.0)
    assert all(found[-(-4 * 25 // step) :])


def test_noise_is_no_frozen_picture() -> None:
    rng = np.random.default_rng(4)
    assert not any(answers(noisy(scene(), rng) for _ in range(60)))


def test_noise_after_a_frozen_picture_is_noticed() -> None:
    rng = np.random.default_rng(4)
    found = answers([scene()] * 40 + [noisy(scene(), rng) for _ in range(50)])
    assert found[39]
    assert not any(found[-15:])


@pytest.mark.parametrize("start", range(4))
def test_a_small_object_that_moves_is_a_change(start: int) -> None:
    pictures = []
    for number in range(60):
        picture = scene()
        picture[80 + start : 86 + start, 20 + start + 5 * number :][:, :6] = (230, 230, 90)
        pictures.append(picture)
    assert not any(answers(pictures))


def test_a_light_of_one_pixel_that_blinks_is_a_change() -> None:
    pictures = []
    for number in range(60):
        picture = scene()
        picture[100, 200] = 255 * (number % 2)
        pictures.append(picture)
    assert not any(answers(pictures))


def test_a_clock_is_a_change() -> None:
    pictures = []
    for number in range(60):
        picture = scene()
        text = f"12:30:{number:02d}"
        cv2.putText(picture, text, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
        pictures.append(picture)
    assert not any(answers(pictures))


def test_a_slow_fade_adds_up() -> None:
    base = scene().astype(np.int16)
    fading = [np.clip(base + number // 3, 0, 255).astype(np.uint8) for number in range(60)]
    assert not any(answers(fading, after_s=5.0))


def test_a_light_in_one_corner_that_rises_slowly_adds_up() -> None:
    base = scene(seed=5) // 2
    pictures = []
    for number in range(60):
        picture = base.copy()
        picture[:40, :40] += np.uint8(2 * number)
        pictures.append(picture)
    assert not any(answers(pictures, after_s=5.0))


def test_memory_that_is_used_again_is_not_relied_on() -> None:
    buffer = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    detector = FrozenDetector(2.0)
    found = []
    for number in range(20):
        buffer[:] = scene(seed=number)
        found.append(detector.add(buffer, number * 0.5))
    assert not any(found)


def test_another_size_and_a_time_that_goes_back_begin_anew() -> None:
    detector = FrozenDetector(2.0)
    picture = scene()
    assert [detector.add(picture, time_s) for time_s in (0.0, 1.0, 2.0)] == [False, False, True]
    assert [detector.add(picture, time_s) for time_s in (0.5, 1.5, 2.5)] == [False, False, True]
    large = scene(width=640, height=480)
    assert [detector.add(large, time_s) for time_s in (3.0, 4.0, 5.0)] == [False, False, True]


def test_pictures_of_any_size_can_be_looked_at() -> None:
    for width, height in ((1, 1), (3, 200), (16, 16), (1920, 1080)):
        picture = np.zeros((height, width, 3), np.uint8)
        assert answers([picture] * 12)[-1]
