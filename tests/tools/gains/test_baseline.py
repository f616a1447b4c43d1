from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.runtime.frames.preprocess import normalise, ten_crop
from pptsn.runtime.recognizer import Recognizer
from tests.clips import decode_plainly, write_clip, write_sound
from tests.models import tiny_spec, write_tiny_model
from tools.gains import baseline
from tools.gains.baseline import PLAIN, SwitchedClassifier, Switches, decode_whole, float_views, ladder
from tools.gains.stream_frames import stream_frames
from tools.gains.windows import plan_windows, recomputed_windows, streamed_windows

SEGMENTS = 7
RUNGS = ladder(int8=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("baseline")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return write_clip(folder / "clip.mp4", frames=50)


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return write_tiny_model(folder / "m.onnx")


@pytest.fixture(scope="module")
def int8_model(folder: Path) -> Path:
    """A model that says it is in INT8, and whose answers are no other model's: its network sees other colours."""
    from pptsn.convert.graph.deployment import compose_deployment
    from pptsn.convert.graph.files import write_model
    from tests.models import tiny_network

    network = tiny_network()
    network.graph.initializer[0].CopyFrom(_halved(network.graph.initializer[0]))
    graph, spec = compose_deployment(network, tiny_spec(precision="int8"), mirror=True)
    write_model(graph, spec, folder / "m.int8.onnx")
    return folder / "m.int8.onnx"


def _halved(tensor):  # type: ignore[no-untyped-def]
    from onnx import numpy_helper

    return numpy_helper.from_array(numpy_helper.to_array(tensor) / 2, tensor.name)


@pytest.fixture(scope="module")
def classifier(model: Path, int8_model: Path) -> Iterator[SwitchedClassifier]:
    with SwitchedClassifier(model, int8_model, segments=SEGMENTS) as classifier:
        yield classifier


def answer(model: Path, clip: Path, **options: object) -> np.ndarray:
    with Recognizer.open(model, device="cpu") as recognizer:
        return recognizer.classify(clip, **({"segments": SEGMENTS} | options)).logits  # type: ignore[arg-type]


def test_every_rung_has_one_switch_more_in_the_order_of_the_switches() -> None:
    names = [field.name for field in fields(Switches)]
    for count, switches in enumerate(RUNGS.values()):
        assert [getattr(switches, name) for name in names] == [index < count for index in range(len(names))]
    assert list(RUNGS) == ["plain", *(name.replace("_", " ") for name in names)]
    assert list(ladder(int8=False)) == [name for name in RUNGS if name != "int8"]
    assert not ladder(int8=False)["overlap"].int8


@pytest.mark.parametrize("rung", RUNGS)
def test_every_rung_gives_the_recognizers_answer(
    classifier: SwitchedClassifier, model: Path, int8_model: Path, clip: Path, rung: str
) -> None:
    logits = classifier.classify(clip, RUNGS[rung])
    expected = answer(int8_model if RUNGS[rung].int8 else model, clip)
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    other = answer(model if RUNGS[rung].int8 else int8_model, clip)
    assert np.abs(logits - other).max() > 0.01, "the answers of the two models would not be told apart"


@pytest.mark.parametrize("views", ["ten", "three", "center"])
@pytest.mark.parametrize("mirror", [True, False])
def test_the_plain_way_looks_at_the_same_views(tmp_path: Path, clip: Path, views: str, mirror: bool) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", mirror=mirror)
    with SwitchedClassifier(model, segments=SEGMENTS, views=views) as classifier:
        for switches in (PLAIN, Switches(uint8_crops=True), Switches(small_batches=True)):
            expected = answer(model, clip, views=views)
            np.testing.assert_allclose(classifier.classify(clip, switches), expected, atol=1e-3)


def test_a_clip_shorter_than_its_segments_counts_its_first_frame_so_often(
    classifier: SwitchedClassifier, model: Path, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "short.mp4", frames=3)
    for switches in ladder(int8=False).values():
        np.testing.assert_allclose(classifier.classify(clip, switches), answer(model, clip), atol=1e-3)


def test_the_plain_way_runs_all_views_of_a_clip_in_one_batch_of_ten_a_frame(
    classifier: SwitchedClassifier, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    infer = classifier.network.infer
    monkeypatch.setattr(classifier.network, "infer", lambda views: batches.append(len(views)) or infer(views))
    classifier.classify(clip, PLAIN)
    assert batches == [10 * SEGMENTS]
    classifier.classify(clip, Switches(small_batches=True))
    assert batches == [10 * SEGMENTS] + [10] * SEGMENTS


def test_only_the_seeking_decode_leaves_frames_out(
    classifier: SwitchedClassifier, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def counted(path: Path) -> list[np.ndarray]:
        frames = decode_whole(path)
        decoded.append(len(frames))
        return frames

    monkeypatch.setattr(baseline, "decode_whole", counted)
    classifier.classify(clip, PLAIN)
    assert decoded == [50]
    classifier.classify(clip, Switches(seeking_decode=True))
    assert decoded == [50]


def test_the_whole_file_is_decoded_as_one_thread_would(clip: Path) -> None:
    np.testing.assert_array_equal(np.stack(decode_whole(clip)), np.stack(list(decode_plainly(clip))))


def test_float_views_are_the_published_ten_crops() -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (2, 40, 53, 3), dtype=np.uint8))
    spec = tiny_spec(mirror=True, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    published = normalise(ten_crop(frames, size=spec.crop_size), mean=spec.mean, std=spec.std)
    by_view = published.reshape(10, 2, *published.shape[1:]).swapaxes(0, 1).reshape(published.shape)
    for planes_first in (False, True):
        views = float_views(frames, spec, "ten", planes_first=planes_first)
        assert views.dtype == np.float32
        assert views.flags.c_contiguous
        np.testing.assert_allclose(views, by_view, atol=1e-5)


def test_a_clip_whose_frames_do_not_fit_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "_MOST_BYTES", 20 * 96 * 64 * 3)
    with pytest.raises(InputError, match="the plain way keeps them all; choose a shorter clip"):
        decode_whole(clip)


@pytest.mark.parametrize("rung", ["plain", "seeking decode", "overlap"])
def test_what_is_no_video_is_an_input_error(classifier: SwitchedClassifier, tmp_path: Path, rung: str) -> None:
    sound = write_sound(tmp_path / "sound.mp4")
    for path in (sound, tmp_path / "none.mp4"):
        with pytest.raises(InputError, match=path.name):
            classifier.classify(path, RUNGS[rung])


@pytest.mark.parametrize("switches", [{"int8": True}, {"overlap": True}, {"overlap": True, "uint8_crops": True}])
def test_switches_that_need_others_say_so(switches: dict[str, bool]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Switches(**switches)


def test_the_int8_model_has_to_be_the_same_model(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is in FP32, expected INT8"):
        SwitchedClassifier(model, model)
    other = write_tiny_model(tmp_path / "o.onnx", precision="int8", weights_digest="1" * 64)
    with pytest.raises(ModelError, match="made from another model"):
        SwitchedClassifier(model, other)


def test_without_an_int8_model_its_rung_says_so(model: Path, clip: Path) -> None:
    with SwitchedClassifier(model, segments=2) as classifier, pytest.raises(ValueError, match="no INT8 model"):
        classifier.classify(clip, RUNGS["int8"])


def test_recomputed_windows_are_those_of_the_stream(classifier: SwitchedClassifier, clip: Path) -> None:
    engine = classifier.engine(int8=False)
    plan = plan_windows(clip, frames=12, segments=SEGMENTS, views="ten")
    frames = stream_frames(str(clip), engine.spec, step_s=plan.step_s)
    streamed = streamed_windows(clip, engine, plan)
    assert len(streamed) == len(frames) == 12
    recomputed = recomputed_windows(classifier, frames, predictions=3)
    np.testing.assert_allclose(recomputed, streamed[-3:], atol=1e-5)
    assert np.abs(recomputed[0] - recomputed[1]).max() > 1e-4, "windows that are all alike prove nothing"


def test_each_recomputed_window_infers_all_of_its_frames(
    classifier: SwitchedClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (SEGMENTS + 2, 40, 53, 3), dtype=np.uint8))
    batches: list[int] = []
    infer = classifier.network.infer
    monkeypatch.setattr(classifier.network, "infer", lambda views: batches.append(len(views)) or infer(views))
    recomputed_windows(classifier, frames, predictions=2)
    assert batches == [10 * SEGMENTS] * 2
    with pytest.raises(ValueError, match="need more"):
        recomputed_windows(classifier, frames, predictions=4)


def test_windows_need_a_clip_of_enough_frames_that_says_how_long_it_is(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 50 frames, windows of 50 need 55"):
        plan_windows(clip, frames=55, segments=50, views="ten")
    raw = write_clip(tmp_path / "raw.h264", frames=50)
    with pytest.raises(InputError, match="does not say how long it is"):
        plan_windows(raw, frames=12, segments=7, views="ten")
