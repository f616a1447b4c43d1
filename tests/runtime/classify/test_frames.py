"""Classifying frames that a program has: the answers of a file that decodes to them, and one line for bad ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.pulse import Silence
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.decoding import ahead, clips, given_reader
from pptsn.runtime.decoding.clips import Labelled
from pptsn.runtime.decoding.given import Frames
from pptsn.runtime.recognizer import Recognizer
from tests.clips import decode_plainly, write_clip
from tests.models import write_tiny_model

COUNT = 30


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recognizer]:
    with Recognizer.open(write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx"), threads=1) as opened:
        yield opened


@pytest.fixture(scope="module", params=[(96, 64), (40, 64), (40, 40)], ids=["resized", "as it is", "square"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip; the model's frames have a short side of 40 pixels."""
    width, height = request.param
    return write_clip(tmp_path_factory.mktemp("clips") / "a.mp4", frames=COUNT, width=width, height=height)


@pytest.fixture(scope="module")
def pixels(clip: Path) -> np.ndarray:
    return np.stack(list(decode_plainly(clip)))


@pytest.fixture
def plain() -> np.ndarray:
    """Frames of which each has a colour of its own."""
    return np.arange(COUNT, dtype=np.uint8).repeat(64 * 48 * 3).reshape(COUNT, 48, 64, 3)


def in_one_buffer(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield frames as readers do that use their memory again."""
    buffer = np.empty_like(pixels[0])
    for frame in pixels:
        buffer[...] = frame
        yield buffer
        buffer[...] = 0


def read_only(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels.copy()
    pixels.flags.writeable = False
    return pixels


class _Tensor:
    """What other libraries have in place of arrays."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._pixels


# Ways to have the same frames.
WAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "an array": lambda pixels: pixels,
    "a list": list,
    "an iterator": iter,
    "an iterator of one buffer": in_one_buffer,
    "Frames": Frames,
    "what NumPy makes arrays of": _Tensor,
    "an iterator of it": lambda pixels: map(_Tensor, pixels),
    "a read-only array": read_only,
    "a part of a larger array": lambda pixels: np.pad(pixels, ((1, 1), (2, 3), (5, 1), (0, 0)))[1:-1, 2:-3, 5:-1],
    "channels first, seen as last": lambda pixels: np.moveaxis(np.moveaxis(pixels, -1, 1).copy(), 1, -1),
    "an array in Fortran's order": np.asfortranarray,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sampling", ["centre", "linspace"])
def test_the_same_frames_give_the_logits_of_the_file_to_the_bit(
    recognizer: Recognizer, clip: Path, pixels: np.ndarray, way: str, sampling: str
) -> None:
    before = pixels.copy()
    for segments in (4, COUNT + 3):
        expected = recognizer.classify(clip, segments=segments, sampling=sampling)
        found = recognizer.classify(WAYS[way](pixels), segments=segments, sampling=sampling)
        np.testing.assert_array_equal(found.logits, expected.logits)
        assert (found.frames, found.protocol, found.warnings) == (COUNT, expected.protocol, ())
        assert (found.source, found.duration_s) == ("clip", None)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("decoders", [0, 1])
def test_clips_with_labels_are_judged_each_by_its_own(
    recognizer: Recognizer, clip: Path, pixels: np.ndarray, kind: Callable[[list[Any]], Any], decoders: int
) -> None:
    plain = recognizer.classify(clip, segments=2)
    best = plain.top(1)[0].class_id
    sources = [Labelled(clip, best), clip, Labelled(str(clip), np.int64((best + 1) % 4)), Labelled("gone.mp4", 1)]
    if not decoders:
        sources += [Labelled(pixels, best), Labelled(Frames(pixels, name="own"), 0)]
    sources.append(Labelled(clip, 4))
    results = list(recognizer.classify_many(kind(sources), segments=2, decoders=decoders))
    judged = [(result.truth and result.truth.class_id, result.right) for result in results]
    expected = [(best, True), (None, None), ((best + 1) % 4, False), (1, False)]
    if not decoders:
        expected += [(best, True), (0, best == 0)]
        assert [result.source for result in results[4:6]] == ["clip 4", "own"]
    assert judged == [*expected, (None, None)]
    json.dumps([result.to_dict() for result in results])
    beyond = results[-1]
    assert isinstance(beyond, Failure)
    assert str(beyond.error) == f"{clip}: label 4 is out of range, expected 0 to 3; give it a class of the model"


@pytest.mark.parametrize("label", ["1", 1.0, [1]])
def test_a_label_that_is_no_whole_number_costs_no_other_clip(
    recognizer: Recognizer, plain: np.ndarray, label: Any
) -> None:
    bad, good = recognizer.classify_many([Labelled(plain, label), Labelled(plain, 1)], segments=1)
    assert isinstance(bad, Failure)
    kind = type(label).__name__
    cause = f"label {label!r} is {kind}, expected a whole number"
    assert str(bad.error) == f"clip 0: {cause}; give it a class of the model"
    assert good.right is not None


@pytest.mark.parametrize("way", ["an array", "an iterator", "an iterator of one buffer", "a read-only array"])
def test_opencvs_channels_are_turned(recognizer: Recognizer, clip: Path, pixels: np.ndarray, way: str) -> None:
    found = recognizer.classify(WAYS[way](pixels[..., ::-1]), bgr=True, segments=4)
    expected = recognizer.classify(clip, segments=4)
    np.testing.assert_array_equal(found.logits, expected.logits)
    wrong = recognizer.classify(WAYS[way](pixels[..., ::-1]), segments=4)
    assert (wrong.logits != expected.logits).any()


@pytest.mark.parametrize("way", ["an array", "an iterator"])
def test_times_tell_the_duration(recognizer: Recognizer, clip: Path, pixels: np.ndarray, way: str) -> None:
    times = [5 + number / 25 for number in range(COUNT)]
    found = recognizer.classify(WAYS[way](pixels), times_s=times, segments=4)
    assert found.duration_s == pytest.approx(COUNT / 25)
    assert found.duration_s == pytest.approx(recognizer.classify(clip, segments=4).duration_s, abs=0.001)
    jumped = recognizer.classify(WAYS[way](pixels), times_s=[*times[:-1], 99], segments=4)
    assert "its clock jumps ahead" in jumped.told


@pytest.mark.parametrize("times", [[3.0], [3.0] * COUNT])
def test_times_that_tell_nothing_give_no_duration(
    recognizer: Recognizer, plain: np.ndarray, times: list[float]
) -> None:
    found = recognizer.classify(plain[: len(times)], times_s=times, segments=4)
    assert found.duration_s is None


def test_many_sources_may_be_files_and_frames(recognizer: Recognizer, clip: Path, pixels: np.ndarray) -> None:
    expected = recognizer.classify(clip, segments=4)
    sources = [clip, pixels, str(clip), iter(pixels), np.str_(clip), Frames(pixels[..., ::-1], bgr=True, name="x")]
    for decoders in (0, 2, "auto"):
        sources[3] = iter(pixels)
        found = list(recognizer.classify_many(sources, segments=4, decoders=decoders))  # type: ignore[arg-type]
        assert [answer.source for answer in found] == [str(clip), "clip 1", str(clip), "clip 3", str(clip), "x"]
        for answer in found:
            assert isinstance(answer, Classification)
            np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)


def test_an_iterable_that_begins_with_frames_starts_no_decoders(
    recognizer: Recognizer, plain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_pool", None)
    found = recognizer.classify_many((plain for _ in range(5)), segments=2, decoders=2)
    assert [type(answer) for answer in found] == [Classification] * 5


def test_frames_that_come_after_files_of_decoders_are_told_and_cost_no_other(
    recognizer: Recognizer, clip: Path, pixels: np.ndarray
) -> None:
    sources = (source for source in (clip, pixels, clip))
    first, second, third = recognizer.classify_many(sources, segments=2, decoders=1)
    assert isinstance(first, Classification)
    assert isinstance(third, Classification)
    assert isinstance(second, Failure)
    assert str(second.error) == (
        "clip 1: is frames, and comes after files that other processes decode; give decoders=0, or frames first"
    )


@pytest.mark.parametrize("size", [48, 40])
def test_of_more_frames_than_may_be_kept_those_near_the_chosen_ones_are_looked_at(
    recognizer: Recognizer, plain: np.ndarray, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    kept = plain[:, :size]
    one = recognizer.classify(kept[:1], segments=1)
    frame_bytes = 40 * 53 * 3 if size == 48 else 40 * 64 * 3
    # Of frames 3, 9, 15, 21 and 27; beyond the last one that is kept it may be further than half a step.
    for room, step, away in ((COUNT, 1, 0), (COUNT - 1, 2, 1), (8, 4, 1), (2, 16, 11), (1, 32, 27)):
        monkeypatch.setattr(given_reader, "_MOST_BYTES", room * frame_bytes)
        found = recognizer.classify(iter(kept), segments=5)
        off = np.abs(found.logits[:3] - recognizer.classify(kept, segments=5).logits[:3]).max()
        a_grade = np.abs(recognizer.classify(kept[1:2], segments=1).logits - one.logits)[:3].max()
        assert off <= a_grade * (away + 0.01)
        assert found.frames == COUNT
        assert len(found.warnings) == (step > 1)
        if step > 1:
            assert f"its 30 frames take more than 0 MB: one in {step} was kept" in found.told
            assert f"up to {away} frame{'s' * (away > 1)} from those chosen" in found.told


def test_frames_of_changing_size_are_used_and_told(recognizer: Recognizer, plain: np.ndarray) -> None:
    frames = [*plain[:3], *plain[3:6, :, :30]]
    for given in (frames, iter(frames)):
        assert recognizer.classify(given, segments=5).warnings == ("the picture size changes on the way",)


def _breaks_off(plain: np.ndarray) -> Iterator[np.ndarray]:
    yield from plain[:7]
    raise KeyError("boom")


class _NoLength(list[Any]):
    def __len__(self) -> int:
        raise RuntimeError("unknown")


def _with_one(plain: np.ndarray, wrong: object) -> list[object]:
    return [*plain[:2], wrong, *plain[3:7]]


# What cannot be used, and the line about it.
BAD: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "floats": (
        lambda plain: plain / 255,
        "is (30, 48, 64, 3) of float64, expected (T, H, W, 3) of uint8; "
        "where its values are 0 to 1: (255 * x).round().astype(np.uint8)",
    ),
    "wide integers": (
        lambda plain: plain.astype(np.int64),
        "is (30, 48, 64, 3) of int64, expected (T, H, W, 3) of uint8; "
        "bring its values to 0 to 255, then: x.astype(np.uint8)",
    ),
    "channels first": (
        lambda plain: np.moveaxis(plain, -1, 1),
        "is (30, 3, 48, 64) of uint8, expected (T, H, W, 3) of uint8; "
        "move its channels to the end: np.moveaxis(x, -3, -1)",
    ),
    "RGBA": (
        lambda plain: np.concatenate([plain, plain[..., :1]], -1),
        "is (30, 48, 64, 4) of uint8, expected (T, H, W, 3) of uint8; leave out the fourth channel: x[..., :3]",
    ),
    "grey": (
        lambda plain: plain[..., 0],
        "is (30, 48, 64) of uint8, expected (T, H, W, 3) of uint8; "
        "where it is grey: np.repeat(x[..., None], 3, axis=-1)",
    ),
    "grey in one channel": (
        lambda plain: plain[..., :1],
        "is (30, 48, 64, 1) of uint8, expected (T, H, W, 3) of uint8; where it is grey: np.repeat(x, 3, axis=-1)",
    ),
    "one frame": (
        lambda plain: plain[0],
        "is (48, 64, 3) of uint8, expected (T, H, W, 3) of uint8; "
        "give all frames of a clip at once, a single one as x[None]",
    ),
    "several clips": (
        lambda plain: plain[None],
        "is (1, 30, 48, 64, 3) of uint8, expected (T, H, W, 3) of uint8; several clips are for classify_many",
    ),
    "no frame": (lambda plain: plain[:0], "holds no frame; give one at least"),
    "no frame in a list": (
        lambda plain: [],
        "holds no frame; give one at least; an iterator gives them once",
    ),
    "an iterator at its end": (
        lambda plain: iter([]),
        "holds no frame; give one at least; an iterator gives them once",
    ),
    "no pixel": (
        lambda plain: plain[:, :0],
        "has no pixel, its shape is (30, 0, 64, 3); leave out what is empty",
    ),
    "a float among frames": (
        lambda plain: _with_one(plain, plain[2] / 255),
        "frame 2 is (48, 64, 3) of float64, expected (H, W, 3) of uint8; "
        "where its values are 0 to 1: (255 * x).round().astype(np.uint8)",
    ),
    "a grey one among frames": (
        lambda plain: iter(_with_one(plain, plain[2, ..., 0])),
        "frame 2 is (48, 64) of uint8, expected (H, W, 3) of uint8; "
        "where it is grey: np.repeat(x[..., None], 3, axis=-1)",
    ),
    "an empty one among frames": (
        lambda plain: iter(_with_one(plain, plain[2, :0])),
        "frame 2 has no pixel, its shape is (0, 64, 3); leave out what is empty",
    ),
    "none among frames": (
        lambda plain: iter(_with_one(plain, None)),
        "frame 2 is None, expected an array (H, W, 3) of uint8; "
        "stop before it: OpenCV reads None where a video ends",
    ),
    "what is no array among frames": (
        lambda plain: iter(_with_one(plain, object())),
        "frame 2 is no array, expected (H, W, 3) of uint8; make a NumPy array of it",
    ),
    "paths": (
        lambda plain: ["a.mp4", "b.mp4"],
        "frame 0 is a text, expected an array (H, W, 3) of uint8; "
        "several paths are for classify_many, and classify takes one as it is",
    ),
    "an iterator that raises": (
        _breaks_off,
        "gave no frame 7 (KeyError: 'boom'); mend what gives its frames",
    ),
    "a sequence of no length": (_NoLength, "gave no frame 0 (RuntimeError: unknown); mend what gives its frames"),
    "nothing": (
        lambda plain: None,
        "is NoneType, expected frames as an array (T, H, W, 3) of uint8, or an iterable of arrays (H, W, 3); "
        "give a path itself, as a str or Path, or such frames",
    ),
    "bytes": (lambda plain: b"a.mp4", "is bytes, expected frames"),
    "a path in Frames": (lambda plain: Frames("a.mp4"), "is str, expected frames"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", BAD)
def test_bad_frames_are_one_line_and_cost_no_other_clip(
    recognizer: Recognizer, plain: np.ndarray, what: str
) -> None:
    make, line = BAD[what]
    with pytest.raises(InputError) as caught:
        recognizer.classify(make(plain), segments=5)
    assert str(caught.value).startswith(f"clip: {line}")
    before, bad, after = recognizer.classify_many([plain, make(plain), plain], segments=5)
    assert isinstance(bad, Failure)
    assert bad.error.cause == caught.value.cause
    assert bad.source in ("clip", "clip 1")
    for good in (before, after):
        assert isinstance(good, Classification)
        np.testing.assert_array_equal(good.logits, recognizer.classify(plain, segments=5).logits)


@pytest.mark.parametrize("way", ["an array", "an iterator"])
def test_a_frame_that_cannot_be_resized_is_one_line(
    recognizer: Recognizer, plain: np.ndarray, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strips = np.zeros((3, 10, 330, 3), np.uint8)
    model = write_tiny_model(tmp_path / "m.onnx", resize_rule="keep_aspect")
    with Recognizer.open(model) as other, pytest.raises(InputError, match=r"^clip: frame of 330x10: is more than"):
        other.classify(WAYS[way](strips))

    def out_of_memory(*arguments: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(clips, "resize_frame", out_of_memory)
    with pytest.raises(InputError, match=r"^clip: frame 0 cannot be resized \(out of memory\)$"):
        recognizer.classify(WAYS[way](plain))


def test_what_an_iterator_raised_is_the_cause(recognizer: Recognizer, plain: np.ndarray) -> None:
    with pytest.raises(InputError) as caught:
        recognizer.classify(_breaks_off(plain))
    assert isinstance(caught.value.__cause__, KeyError)


_NAN = float("nan")


@pytest.mark.parametrize("way", ["an array", "an iterator"])
@pytest.mark.parametrize(
    ("times", "line"),
    [
        (
            [1, 2, 1.5],
            "its times go backwards, from 2 s to 1.5 s at frame 2; give frames in the order of their times",
        ),
        (
            [1, _NAN, 3],
            "the time of frame 1 is nan, no finite number; give the seconds of each frame, or no times",
        ),
        ([1, 2, float("inf")], "the time of frame 2 is inf, no finite number"),
        ([1, 2], "has 3 frames and 2 times; give a time for each frame, or none"),
        ([1, 2, 3, 4], "has 3 frames and 4 times"),
        ([], "has 3 frames and 0 times"),
        ([[1], [2], [3]], "its times are no list of numbers; give the seconds of each frame"),
        ([[1], [2, 3]], "its times are no list of numbers"),
        (["1", "2", "3"], "its times are no list of numbers"),
        (3, "its times are no list of numbers"),
    ],
)
def test_bad_times_are_one_line(
    recognizer: Recognizer, plain: np.ndarray, way: str, times: Any, line: str
) -> None:
    with pytest.raises(InputError) as caught:
        recognizer.classify(WAYS[way](plain[:3]), times_s=times)
    assert str(caught.value).startswith(f"clip: {line}")


@pytest.mark.parametrize("given", [{"bgr": True}, {"times_s": [0.0]}])
def test_what_is_said_of_frames_is_refused_for_others(
    recognizer: Recognizer, plain: np.ndarray, given: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=r"times_s and bgr are for an array or an iterable .* source is str$"):
        recognizer.classify("a.mp4", **given)
    with pytest.raises(UsageError, match=r"Frames has its own$"):
        recognizer.classify(Frames(plain), **given)


@pytest.mark.parametrize(
    "one", ["v/0*.mp4", np.str_("a.mp4"), b"a.mp4", Path("a.mp4"), Frames([]), np.zeros((2, 4, 4, 3), np.uint8), 3]
)
def test_one_source_where_several_are_due_is_refused(recognizer: Recognizer, one: Any) -> None:
    with pytest.raises(
        UsageError, match=r"^classify_many: expected several sources, got .*; give a list, or call"
    ):
        recognizer.classify_many(one)


def test_an_iterator_that_gives_nothing_is_left_behind(
    recognizer: Recognizer, plain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def waiting() -> Iterator[np.ndarray]:
        yield plain[0]
        release.wait(20)

    monkeypatch.setattr(ahead, "TICK_S", 0.1)
    monkeypatch.setattr(ahead, "Silence", partial(Silence, 0.3))
    try:
        stuck, good = recognizer.classify_many([waiting(), plain], segments=2)
    finally:
        release.set()
    assert isinstance(stuck, Failure)
    assert str(stuck.error) == "clip 0: gave nothing for 0.3 s; see why their iterator gives no next one"
    assert isinstance(good, Classification)


def test_leaving_early_ends_an_iterator_that_does_not_end(recognizer: Recognizer, plain: np.ndarray) -> None:
    closed = threading.Event()

    def endless() -> Iterator[np.ndarray]:
        try:
            while True:
                yield plain[0]
        finally:
            closed.set()

    results = recognizer.classify_many([plain, endless()], segments=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert closed.wait(10)
