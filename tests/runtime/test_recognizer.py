import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.results import Classification, Failure, softmax
from pptsn.runtime.decoding.clips import Excerpt
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.preprocess import normalise, resize_frame, ten_crop
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import Restart, VideoReader
from tests.clips import decode_plainly
from tests.models import tiny_spec, write_tiny_model
from tests.runtime.stream.sources.servers import WebServer
from tests.runtime.video.web.parts import Parts


def plain_logits(clip: Path, segments: int) -> np.ndarray:
    """Return what the published implementation computes: ten float crops of each sampled frame, and their mean."""
    spec = tiny_spec()
    frames = list(decode_plainly(clip))
    chosen = [
        resize_frame(frames[i], short_side=spec.short_side, rule=spec.resize_rule)
        for i in centre_indices(len(frames), segments)
    ]
    crops = normalise(ten_crop(chosen, size=spec.crop_size), mean=spec.mean, std=spec.std)
    colours = 4 * crops.mean(axis=(2, 3))
    half = spec.crop_size // 2
    left = 2 * (crops[:, 0, :, :half].mean(axis=(1, 2)) - crops[:, 0, :, half:].mean(axis=(1, 2)))
    return np.concatenate([colours, left[:, None]], axis=1).mean(axis=0)


@pytest.mark.parametrize("segments", [3, 8, 25])
def test_the_answer_is_the_published_one(model: Path, clips: list[Path], segments: int) -> None:
    with Recognizer.open(model) as recognizer:
        for clip in clips:
            result = recognizer.classify(clip, segments=segments)
            np.testing.assert_allclose(result.logits, plain_logits(clip, segments), atol=1e-4)


@pytest.mark.parametrize("given", [{}, {"segments": 2}, {"views": "ten", "sampling": "centre"}])
def test_a_model_says_how_clips_are_looked_at_where_nobody_else_does(
    tmp_path: Path, clips: list[Path], given: dict[str, Any]
) -> None:
    own = {"segments": 3, "views": "center", "sampling": "linspace"}
    model = write_tiny_model(tmp_path / "m.onnx", **own)
    with Recognizer.open(model) as recognizer:
        left, told = recognizer.classify(clips[0], **given), recognizer.classify(clips[0], **(own | given))
    assert left.protocol == told.protocol == tiny_spec(**own).protocol.but(**given)
    np.testing.assert_array_equal(left.logits, told.logits)


def test_scores_are_those_of_the_models_temperature(tmp_path: Path, model: Path, clips: list[Path]) -> None:
    warm = write_tiny_model(tmp_path / "m.onnx", temperature=2.0)
    with Recognizer.open(model) as plain, Recognizer.open(warm) as warmed:
        expected, found = plain.classify(clips[0], segments=2), warmed.classify(clips[0], segments=2)
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_allclose(found.scores, softmax(expected.logits / 2), rtol=1e-6)


def test_a_result_says_what_was_looked_at(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        result = recognizer.classify(clips[0], segments=4, views="center")
    assert (result.source, result.frames, result.segments, result.views) == (str(clips[0]), 30, 4, "center")
    assert result.duration_s == pytest.approx(30 / 25, abs=0.1)
    assert result.labels == tiny_spec().labels
    assert result.timing.decode_ms > 0
    assert result.timing.inference_ms > 0
    assert result.timing.total_ms >= result.timing.inference_ms
    assert result.warnings == ()


def test_many_sources_give_their_results_in_order(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        single = [recognizer.classify(clip, segments=5) for clip in clips]
        many = list(recognizer.classify_many([*clips, *clips], segments=5))
    assert [r.source for r in many] == [str(clip) for clip in [*clips, *clips]]
    for one, other in zip([*single, *single], many, strict=True):
        assert isinstance(other, Classification)
        np.testing.assert_allclose(other.logits, one.logits, atol=1e-5)


def test_frames_chosen_several_times_are_inferred_once(model: Path, clips: list[Path]) -> None:
    engine = open_engine(model)
    calls: list[int] = []
    infer = engine._infer_batch
    engine._infer_batch = lambda crops: (calls.append(len(crops)), infer(crops))[1]  # type: ignore[method-assign]
    with Recognizer(engine) as recognizer:
        recognizer.classify(clips[1], segments=25)  # 7 frames: frame 0, 25 times
    assert sum(calls) == 5


def test_a_broken_source_fails_alone_and_in_its_place(model: Path, clips: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    sources = [clips[0], tmp_path / "none.mp4", clips[1], text]
    with Recognizer.open(model) as recognizer:
        results = list(recognizer.classify_many(sources, segments=3))
    assert [type(r) for r in results] == [Classification, Failure, Classification, Failure]
    assert "none.mp4" in str(results[1].error)
    assert "text.mp4" in str(results[3].error)
    assert all("\n" not in str(r.error) for r in (results[1], results[3]))


def test_a_failure_of_one_source_is_raised(model: Path, tmp_path: Path) -> None:
    with Recognizer.open(model) as recognizer, pytest.raises(InputError, match=r"none\.mp4"):
        recognizer.classify(tmp_path / "none.mp4")


@pytest.mark.parametrize("arguments", [{"segments": 0}, {"views": "nine"}, {"sampling": "random"}])
def test_wrong_arguments_are_refused_before_anything_is_opened(model: Path, arguments: dict[str, object]) -> None:
    with Recognizer.open(model) as recognizer, pytest.raises(UsageError):
        recognizer.classify_many(["none.mp4"], **arguments)  # type: ignore[arg-type]


def test_sources_are_read_a_bounded_number_ahead(model: Path, clips: list[Path]) -> None:
    opened = []

    def sources():  # type: ignore[no-untyped-def]
        for i in range(200):
            opened.append(i)
            yield clips[0]

    with Recognizer.open(model) as recognizer:
        results = recognizer.classify_many(sources(), segments=25, views="center")
        next(results)
        # 25 frames a source and 16 frames ahead: the second source, perhaps the third.
        assert len(opened) <= 4
        results.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("decoders", [0, 1])
def test_what_an_iterable_of_sources_raises_comes_after_the_answers_before_it(
    model: Path, clips: list[Path], decoders: int
) -> None:
    def sources():  # type: ignore[no-untyped-def]
        yield from clips
        raise KeyError("boom")

    answered = []
    with Recognizer.open(model) as recognizer, pytest.raises(KeyError, match="boom"):
        for result in recognizer.classify_many(sources(), segments=2, views="center", decoders=decoders):
            answered.append(result.source)
    assert answered == list(map(str, clips))


def test_stopping_early_leaves_no_thread(model: Path, clips: list[Path]) -> None:
    before = threading.active_count()
    with Recognizer.open(model) as recognizer:
        results = recognizer.classify_many([clips[0]] * 50, segments=25)
        next(results)
        results.close()  # type: ignore[attr-defined]
        assert threading.active_count() == before


def test_an_answer_does_not_wait_for_the_next_source(model: Path, clips: list[Path]) -> None:
    """A batch that the next source would have filled runs when that source lets it wait."""
    release = threading.Event()

    def sources():  # type: ignore[no-untyped-def]
        yield clips[0]
        release.wait(20)

    with Recognizer.open(model) as recognizer:
        results = recognizer.classify_many(sources(), segments=3, views="center")  # 3 crops of a batch of 5
        assert next(results).source == str(clips[0])
        assert not release.is_set()
        release.set()
        assert list(results) == []


def test_an_error_of_the_engine_reaches_the_caller(model: Path, clips: list[Path]) -> None:
    engine = open_engine(model)

    def fail(crops: np.ndarray) -> np.ndarray:
        raise MemoryError

    engine._infer_batch = fail  # type: ignore[method-assign]
    with Recognizer(engine) as recognizer, pytest.raises(MemoryError):
        recognizer.classify(clips[0])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files by /proc")
def test_no_file_stays_open(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        list(recognizer.classify_many(clips, segments=3))
        before = len(list(Path("/proc/self/fd").iterdir()))
        list(recognizer.classify_many([*clips, Path("none.mp4")] * 3, segments=3))
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_leaving_early_stops_the_decoding_of_a_long_file(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding, stopped = threading.Event(), []

    def waiting(self, choose, *, transform=None, stop=None):  # type: ignore[no-untyped-def]
        if self.path != clips[1]:
            yield from sampled(self, choose, transform=transform, stop=stop)
            return
        decoding.set()
        stopped.append(stop.wait(30))
        raise InputError(self.path, "reading was stopped")

    sampled = VideoReader.sampled
    monkeypatch.setattr(VideoReader, "sampled", waiting)
    with Recognizer.open(model) as recognizer:
        results = recognizer.classify_many(clips, segments=3)
        next(results)
        assert decoding.wait(10)
        results.close()  # type: ignore[attr-defined]
    assert stopped == [True]


def test_a_clip_is_inferred_while_it_is_decoded(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inferred, in_time = threading.Event(), []

    def slow(self, choose, *, transform=None, stop=None):  # type: ignore[no-untyped-def]
        for number, frame in enumerate(sampled(self, choose, transform=transform, stop=stop)):
            if number == 2:
                in_time.append(inferred.wait(20))
            yield frame

    sampled = VideoReader.sampled
    monkeypatch.setattr(VideoReader, "sampled", slow)
    engine = open_engine(model)
    infer = engine._infer_batch
    engine._infer_batch = lambda crops: (inferred.set(), infer(crops))[1]  # type: ignore[method-assign]
    with Recognizer(engine) as recognizer:
        recognizer.classify(clips[0], segments=3)
    assert in_time == [True]


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_frames_that_come_anew_are_counted_once(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    def restarting(self, choose, *, transform=None, stop=None):  # type: ignore[no-untyped-def]
        frames = list(sampled(self, choose, transform=transform, stop=stop))
        yield from reversed(frames[:-2])
        yield Restart()
        yield from frames

    with Recognizer.open(model) as recognizer:
        right = [recognizer.classify(clip, segments=8) for clip in clips]
        sampled = VideoReader.sampled
        monkeypatch.setattr(VideoReader, "sampled", restarting)
    with Recognizer(open_engine(model), batch_size=batch_size) as recognizer:
        found = list(recognizer.classify_many(clips, segments=8))
    for one, other in zip(right, found, strict=True):
        assert isinstance(other, Classification)
        np.testing.assert_allclose(other.logits, one.logits, atol=1e-5)


def test_a_clip_that_fails_after_some_frames_fails_alone(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self, choose, *, transform=None, stop=None):  # type: ignore[no-untyped-def]
        for number, frame in enumerate(sampled(self, choose, transform=transform, stop=stop)):
            if self.path == clips[2] and number == 3:
                raise InputError(self.path, "cannot be decoded")
            yield frame

    with Recognizer.open(model) as recognizer:
        right = recognizer.classify(clips[0], segments=5)
        sampled = VideoReader.sampled
        monkeypatch.setattr(VideoReader, "sampled", failing)
        broken, whole = recognizer.classify_many([clips[2], clips[0]], segments=5)
    assert isinstance(broken, Failure)
    assert isinstance(whole, Classification)
    np.testing.assert_allclose(whole.logits, right.logits, atol=1e-5)


def test_an_excerpt_is_sampled_from_its_beginning_alone(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        few, many = recognizer.classify_many([Excerpt(clips[0], 10), Excerpt(clips[0], 31)], segments=2)
    assert isinstance(few, Classification)
    frames = list(decode_plainly(clips[0]))
    chosen = [resize_frame(frames[i], short_side=40, rule="fixed_ratio") for i in (2, 7)]
    assert few.logits[:3] == pytest.approx(
        4 * normalise(ten_crop(chosen, size=32), mean=(0.5,) * 3, std=(0.5,) * 3).mean(axis=(0, 2, 3)), abs=1e-4
    )
    assert isinstance(many, Failure)
    assert "has 30 frames, the list says 31" in str(many.error)


@pytest.mark.parametrize("decoders", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_the_url_of_a_file_gives_the_answer_of_the_file(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch, decoders: int
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    server = WebServer(clips[0].parent, {"/parts.mp4": Parts(clips[0].read_bytes())})
    base = f"http://user:secret@{server.host}"
    urls = [f"{base}/parts.mp4", f"{base}/none.mp4", *(f"{base}/{clip.name}?token=secret" for clip in clips[1:])]
    try:
        with Recognizer.open(model) as recognizer:
            wanted = [recognizer.classify(clip, segments=5) for clip in clips]
            found = list(recognizer.classify_many(urls, segments=5, decoders=decoders))
            alone = recognizer.classify(urls[0], segments=5)
            with pytest.raises(InputError, match=r"none.mp4: the server has no such file \(404\)"):
                recognizer.classify(urls[1])
    finally:
        server.close()
    failed = found.pop(1)
    assert isinstance(failed, Failure)
    for answer, other in zip([*found, alone], [*wanted, wanted[0]], strict=True):
        assert isinstance(answer, Classification)
        np.testing.assert_array_equal(answer.logits, other.logits)
        assert (answer.frames, answer.duration_s, answer.warnings) == (other.frames, other.duration_s, ())
    assert "secret" not in f"{found} {failed} {[answer.to_dict() for answer in found]}"
    assert found[0].source == f"http://{server.host}/parts.mp4"


@pytest.mark.parametrize("url", ["http://", "HTTPS://u:secret@h:port/a.mp4", "http://u:${NONE}@h/a.mp4"])
def test_a_url_that_makes_no_sense_is_a_failure_of_its_source(model: Path, clips: list[Path], url: str) -> None:
    with Recognizer.open(model) as recognizer:
        failed, answer = recognizer.classify_many([url, clips[0]], segments=1)
    assert isinstance(failed, Failure)
    assert isinstance(answer, Classification)
    assert "secret" not in str(failed.error)
