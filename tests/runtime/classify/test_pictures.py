"""Which frames a clip's small pictures are of, and how large they are."""

import time
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.classify.pictures import ClipPictures, small_picture
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.decoding.clips import ClipFrame
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import Restart, VideoReader
from tests.clips import write_clip
from tests.models import write_tiny_model


def frame(index: int, *, segment: int, weight: int = 1) -> ClipFrame:
    pixels = np.full((40, 60, 3), index, np.uint8)
    return ClipFrame(0, pixels, weight, time.perf_counter(), index=index, segment=segment)


@pytest.mark.parametrize(
    ("segments", "weights", "shown"),
    [
        (9, [1] * 9, [1, 4, 7]),
        (25, [1] * 25, [4, 12, 20]),
        (2, [1, 1], [0, 1]),
        (1, [1], [0]),
        (9, [9], [0]),
        (9, [5, 4], [0, 1]),
    ],
)
def test_they_are_of_the_middles_of_three_equal_parts(segments: int, weights: list[int], shown: list[int]) -> None:
    frames, first = [], 0
    for index, weight in enumerate(weights):
        frames.append(frame(index, segment=first, weight=weight))
        first += weight
    for order in (frames, frames[::-1]):
        kept = ClipPictures(3, segments)
        for each in order:
            kept.add(each)
        assert [int(picture[0, 0, 0]) for picture in kept.pictures] == shown


@pytest.mark.parametrize(
    ("width", "height", "small"),
    [(341, 256, (128, 96)), (256, 341, (72, 96)), (2000, 100, (224, 11)), (1, 900, (1, 96))],
)
def test_they_fit_a_place_and_keep_their_shape(width: int, height: int, small: tuple[int, int]) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    picture = small_picture(pixels)
    assert picture.shape == (small[1], small[0], 3)
    assert not np.shares_memory(picture, pixels)


def test_a_result_has_those_that_were_asked_for_of_the_frames_that_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=30)
    settings = ClassifySettings(segments=6, pictures=3, decoders=0)
    with Recognizer.open(write_tiny_model(tmp_path / "m.onnx")) as recognizer:
        (right,) = recognizer.classify_by(settings, [clip])
        assert recognizer.classify(clip, segments=6).pictures == ()
        sampled = VideoReader.sampled

        def restarting(self, choose, *, transform=None, stop=None):  # type: ignore[no-untyped-def]
            frames = list(sampled(self, choose, transform=transform, stop=stop))
            yield from (type(each)(255 - each.pixels, each.index, None, "x") for each in frames)
            yield Restart()
            yield from frames

        monkeypatch.setattr(VideoReader, "sampled", restarting)
        (found,) = recognizer.classify_by(settings, [clip])
    assert isinstance(right, Classification)
    assert isinstance(found, Classification)
    assert len(right.pictures) == 3
    np.testing.assert_array_equal(found.pictures, right.pictures)
