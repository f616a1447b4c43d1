"""Frames that a program pushes: the predictions of `pptsn stream` on the same video, and one line for bad ones."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError, UsageError
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.stream.actions.messages import StreamPrediction
from pptsn.runtime.stream.actions.thresholds import EventSettings
from pptsn.runtime.stream.pipeline import frame_stream
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from tests.clips import write_clip
from tests.models import LABELS, write_blind_model, write_tiny_model
from tests.runtime.stream.running import run_streams

# Of a frame of a clip at 25 frames a second, in the units that `write_clip` takes its times in.
FRAME = 16
TIMES = {
    "even": [FRAME * number for number in range(75)],
    "uneven": [FRAME * number + number % 3 * 5 for number in range(75)],
    "with a gap": [FRAME * number + 1600 * (number >= 40) for number in range(75)],
    "beginning late": [3200 + FRAME * number for number in range(75)],
}
# What both are asked for.
ASKED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a window": {"window_s": 1.0, "segments": 5},
    "few predictions": {"window_s": 1.0, "segments": 5, "every_s": 0.5},
    "more crops": {"window_s": 0.8, "segments": 4, "views": "three"},
    "smoothing": {"window_s": 0.5, "segments": 2, "smoothing_s": 0.7},
    "patience": {"window_s": 1.0, "segments": 4, "max_gap_s": 10.0},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "m.onnx", temperature=1.5)


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Iterator[Recognizer]:
    with Recognizer.open(model, threads=1) as opened:
        yield opened


@pytest.fixture
def plain() -> np.ndarray:
    """Frames of which each has a colour of its own."""
    return np.arange(20, dtype=np.uint8).repeat(64 * 48 * 3).reshape(20, 48, 64, 3)


def frames_with_times(clip: Path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(clip)) as container:
        frames = [(frame.to_ndarray(format="rgb24"), frame.time) for frame in container.decode(video=0)]
    return [pixels for pixels, _ in frames], [time_s for _, time_s in frames]


def without_times_of_day(prediction: StreamPrediction) -> dict[str, Any]:
    """Return what two runs agree on."""
    varying = {"stream", "source", "wall_time", "stages", "scores", "stale", "time_s"}
    values = {field.name: getattr(prediction, field.name) for field in dataclasses.fields(prediction)}
    return {name: value for name, value in values.items() if name not in varying}


def assert_alike(pushed: list[StreamPrediction], streamed: list[StreamPrediction], *, begin_s: float) -> None:
    assert len(pushed) == len(streamed) > 0
    for one, other in zip(pushed, streamed, strict=True):
        assert without_times_of_day(one) == without_times_of_day(other)
        assert one.time_s - begin_s == pytest.approx(other.time_s, abs=1e-6)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6, rtol=0)


# What is looked at by default; the rest takes longer.
USUAL = {("even", "few predictions"), ("uneven", "smoothing"), ("with a gap", "more crops")}
CASES = sorted({*USUAL, *(("even", asked) for asked in ASKED), *((times, "a window") for times in TIMES)})


@pytest.mark.parametrize(
    ("times", "asked"),
    [pytest.param(*case, marks=[] if case in USUAL else pytest.mark.slow) for case in CASES],
)
def test_predictions_are_those_of_stream_on_the_same_video(
    model: Path, recognizer: Recognizer, tmp_path: Path, times: str, asked: str
) -> None:
    clip = write_clip(tmp_path / "clip.mkv", frames=75, times=TIMES[times])
    frames, times_s = frames_with_times(clip)
    given = dict(ASKED[asked])
    with recognizer.stream(**given) as stream:
        pushed = list(stream.predictions(frames, times_s))
    rules = EventSettings(smoothing_s=given.pop("smoothing_s", 0.0)).rules(LABELS)
    run = run_streams(model, [clip], StreamSettings(**given), rules)
    assert_alike(pushed, run.predictions(run.health[0].name), begin_s=times_s[0])


def test_what_is_not_asked_for_the_model_says(tmp_path: Path, plain: np.ndarray) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", stream_window_s=0.8, stream_segments=4, stream_views="three")
    with Recognizer.open(model, threads=1) as own, own.stream(fps=5) as stream:
        last = list(stream.predictions(plain))[-1]
    assert (last.frames, last.window_s) == (4, pytest.approx(0.8))
    with Recognizer.open(model, threads=1) as own, own.stream(fps=5, segments=2, window_s=0.4) as stream:
        last = list(stream.predictions(plain))[-1]
    assert (last.frames, last.window_s) == (2, pytest.approx(0.4))


def test_pushing_gives_what_iterating_gives(recognizer: Recognizer, plain: np.ndarray) -> None:
    times = [number * 0.1 for number in range(len(plain))]
    with recognizer.stream(window_s=1, segments=2) as stream, recognizer.stream(window_s=1, segments=2) as other:
        pushed = [stream.push(frame, time_s) for frame, time_s in zip(plain, times, strict=True)]
        assert [prediction is not None for prediction in pushed] == [number % 5 == 0 for number in range(20)]
        iterated = list(other.predictions(iter(plain), iter(times)))
    assert_alike([each for each in pushed if each is not None], iterated, begin_s=0)


def test_results_are_plain_and_name_the_stream(recognizer: Recognizer, plain: np.ndarray) -> None:
    with recognizer.stream(name="door") as stream:
        prediction = stream.push(plain[0], 7)
    assert prediction is not None
    assert (prediction.stream, prediction.source, prediction.time_s) == ("door", "door", 7)
    told = prediction.to_dict()
    assert [entry["label"] for entry in told["top"]] == [each.label for each in prediction.top(5)]
    assert told["timing_ms"].keys() == {"decode", "queue", "inference", "emit", "total"}
    assert not prediction.stale


def test_opencvs_channels_are_turned(recognizer: Recognizer) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[..., 0] = 200
    with recognizer.stream() as stream, recognizer.stream(bgr=True) as turned:
        in_rgb, in_bgr, wrong = stream.push(frame, 0), turned.push(frame[..., ::-1], 0), turned.push(frame, 9)
    assert in_rgb is not None
    assert in_bgr is not None
    assert wrong is not None
    np.testing.assert_array_equal(in_rgb.scores, in_bgr.scores)
    assert (in_rgb.top(1)[0].label, wrong.top(1)[0].label) == ("red", "blue")


def test_frames_without_times_go_by_the_rate_or_happen_now(
    recognizer: Recognizer, plain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recognizer.stream(window_s=1, segments=5, fps=10) as stream:
        by_rate = [each.time_s for each in stream.predictions(plain)]
    assert by_rate == pytest.approx([0.2 * number for number in range(10)])
    now_s = 100.0
    monkeypatch.setattr(frame_stream, "time", SimpleNamespace(monotonic=lambda: now_s, time=time.time))
    came_s = []
    with recognizer.stream(window_s=1, segments=1) as stream:
        for frame in plain[:9]:
            prediction = stream.push(frame)
            came_s += [] if prediction is None else [prediction.time_s]
            now_s += 0.4
    assert came_s == pytest.approx([0, 1.2, 2.0, 3.2])


@pytest.mark.parametrize("change", ["the size", "a gap", "reset"])
def test_the_window_begins_anew(recognizer: Recognizer, plain: np.ndarray, change: str) -> None:
    with recognizer.stream(window_s=2, segments=4, max_gap_s=3) as stream:
        before = list(stream.predictions(plain[:5], np.arange(5) / 2))[-1]
        if change == "reset":
            stream.reset()
        after = stream.push(plain[9, :40] if change == "the size" else plain[9], 9 if change == "a gap" else 2.5)
    assert after is not None
    assert (before.frames, before.warming_up, after.frames, after.warming_up) == (4, False, 1, True)
    assert (before.session, after.session, after.number) == (0, int(change == "reset"), 5)


def test_after_a_reset_times_begin_anew(recognizer: Recognizer, plain: np.ndarray) -> None:
    for given in ({"fps": 2.0}, {}):
        with recognizer.stream(window_s=2, segments=4, **given) as stream:
            stream.push(plain[0])
            stream.push(plain[1])
            stream.reset()
            again = stream.push(plain[2])
            assert again is not None
            assert again.time_s == 0
            stream.reset()
            timed = stream.push(plain[3], -5.0)
            assert timed is not None
            assert timed.time_s == -5


def test_several_streams_and_clips_share_a_recognizer(recognizer: Recognizer, plain: np.ndarray) -> None:
    with recognizer.stream(fps=2) as alone:
        expected = list(alone.predictions(plain))
    clip = recognizer.classify(plain, segments=3)
    with recognizer.stream(fps=2) as one, recognizer.stream(fps=2) as other:
        both: tuple[list[StreamPrediction], ...] = ([], [])
        for frame in plain:
            for stream, found in ((one, both[0]), (other, both[1])):
                prediction = stream.push(frame)
                if prediction is not None:
                    found.append(prediction)
            np.testing.assert_array_equal(recognizer.classify(plain, segments=3).logits, clip.logits)
    for found in both:
        assert_alike(found, expected, begin_s=0)


def _breaks_off(plain: np.ndarray) -> Iterator[np.ndarray]:
    yield from plain[:3]
    raise KeyError("boom")


# Frames and times that cannot be used, and the line about them.
BAD: dict[str, tuple[Callable[[np.ndarray], tuple[Any, Any]], str]] = {
    "floats": (
        lambda plain: (plain / 255, None),
        "door: is (20, 48, 64, 3) of float64, expected (T, H, W, 3) of uint8; "
        "where its values are 0 to 1: (255 * x).round().astype(np.uint8)",
    ),
    "a grey frame": (
        lambda plain: ([plain[0], plain[1, ..., 0]], None),
        "door: frame 1 is (48, 64) of uint8, expected (H, W, 3) of uint8; "
        "where it is grey: np.repeat(x[..., None], 3, axis=-1)",
    ),
    "a path": (
        lambda plain: ("clip.mp4", None),
        "door: is str, expected frames as an array (T, H, W, 3) of uint8, or an iterable of arrays (H, W, 3); "
        "files are for classify, or for pptsn stream",
    ),
    "times that go backwards": (
        lambda plain: (plain, [0, 2, 1]),
        "door: its times go backwards, from 2 s to 1 s at frame 2; "
        "call reset() where another video begins, or give no times",
    ),
    "a time that is none": (
        lambda plain: (plain, [0, float("nan")]),
        "door: the time of frame 1 is nan, no finite number; give the seconds of each frame, or no times",
    ),
    "a text": (
        lambda plain: (plain, ["0:01"]),
        "door: the time of frame 0 is '0:01', no finite number; give the seconds of each frame, or no times",
    ),
    "too few times": (
        lambda plain: (plain, [0, 1]),
        "door: has no time for frame 2; give each a time, or none",
    ),
    "a frame without a time": (
        lambda plain: (plain, [0, None]),
        "door: frame 1 has no time, unlike those before; give each a time, or none",
    ),
    "a frame with one": (
        lambda plain: (plain, [None, 1]),
        "door: frame 1 has a time, unlike those before; give each a time, or none",
    ),
    "an iterator that raises": (
        lambda plain: (_breaks_off(plain), None),
        "door: gave no frame 3 (KeyError: 'boom'); mend what gives its frames",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_frames_and_times_are_one_line(recognizer: Recognizer, plain: np.ndarray, what: str) -> None:
    make, line = BAD[what]
    with recognizer.stream(name="door") as stream, pytest.raises(InputError) as caught:
        list(stream.predictions(*make(plain)))
    assert str(caught.value) == line


def test_a_bad_frame_costs_no_other(recognizer: Recognizer, plain: np.ndarray) -> None:
    with recognizer.stream(window_s=2, segments=4) as stream:
        stream.push(plain[0], 0)
        for bad in (None, plain[1] / 255, plain[1, :0]):
            with pytest.raises(InputError, match=r"^stream: frame [123] "):
                stream.push(bad, 0.5)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="backwards"):
            stream.push(plain[1], -1)
        prediction = stream.push(plain[1], 0.5)
    assert prediction is not None
    assert (prediction.frames, prediction.number) == (2, 1)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"window_s": 0.0}, r"^--window: expected "),
        ({"segments": 0}, r"^--segments: expected "),
        ({"every_s": -1.0}, r"^--every: expected "),
        ({"views": "two"}, r"^--views: "),
        ({"smoothing_s": -1.0}, r"^--smoothing: expected "),
        ({"max_gap_s": float("nan")}, r"^--max-gap: expected "),
        ({"fps": 0.0}, r"^fps: expected frames a second, got 0.0; leave it out for what happens now$"),
        ({"fps": float("inf")}, r"^fps: expected frames a second, got inf; "),
    ],
)
def test_settings_that_make_no_sense_are_refused(recognizer: Recognizer, asked: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        recognizer.stream(**asked)


def test_logits_that_are_no_numbers_are_an_error_of_their_frame(tmp_path: Path, plain: np.ndarray) -> None:
    model = write_blind_model(tmp_path / "m.onnx")
    bright = np.full_like(plain[0], 200)
    with Recognizer.open(model, threads=1) as blind, blind.stream() as stream:
        assert stream.push(bright, 0) is not None
        with pytest.raises(
            ModelError, match=r"^stream, frame 1: the model gives logits for it that are no finite"
        ):
            stream.push(plain[0], 1)
        after = stream.push(bright, 2)
    assert after is not None
    assert after.frames == 2


def test_a_closed_stream_takes_no_frame(model: Path, plain: np.ndarray) -> None:
    with Recognizer.open(model, threads=1) as own:
        with own.stream() as stream:
            stream.push(plain[0], 0)
        stream.close()
        with pytest.raises(ValueError, match="the stream is closed"):
            stream.push(plain[1], 1)
        left_open = own.stream()
    with pytest.raises(ValueError, match="the engine is closed"):
        left_open.push(plain[0], 0)


def test_times_that_stand_still_are_told_and_a_burst_is_not(recognizer: Recognizer, plain: np.ndarray) -> None:
    with recognizer.stream(name="door") as stream:
        for time_s in (0, 1):
            for _ in range(100):
                stream.push(plain[0], time_s)
        with pytest.raises(InputError) as caught:
            stream.push(plain[0], 1)
        assert stream.push(plain[0], 2) is not None
    assert str(caught.value) == (
        "door: 101 frames in a row, up to frame 200, have the time 1 s; give each its own, or fps, or no times"
    )
