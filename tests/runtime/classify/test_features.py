"""Pooled vectors of clips and of their frames, beside what classifying gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.graph.classifier import Classifier, find_classifier
from pptsn.runtime.base.errors import InputError, ModelError, UsageError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.features import ClipFeatures
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.engines import open_engine
from pptsn.runtime.recognizer import Recognizer
from tests.clips import decode_plainly, write_clip
from tests.convert.precision_models import write_residual_model
from tests.convert.residual_network import CLASSES, FEATURES, residual_network
from tests.models import needs_openvino, write_tiny_model

LENGTHS = (30, 3, 17)  # the second has fewer frames than are looked at
BACKENDS = ["onnxruntime", pytest.param("openvino?cache=0", marks=needs_openvino)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_residual_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    return [write_clip(folder / f"{i}.mp4", frames=frames) for i, frames in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    found = find_classifier(residual_network())
    assert found is not None
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("views", ["ten", "three", "center"])
def test_the_classifier_makes_the_clips_logits_of_its_vector(
    model: Path, clips: list[Path], classifier: Classifier, views: str, backend: str
) -> None:
    with Recognizer.open(model, backend=backend, device="cpu") as recognizer:
        for clip in clips:
            found = recognizer.features(clip, segments=7, views=views)
            plain = recognizer.classify(clip, segments=7, views=views)
            assert (found.clip.shape, found.by_frame.shape) == ((FEATURES,), (7, FEATURES))
            assert found.clip.dtype == found.by_frame.dtype == np.float32
            np.testing.assert_allclose(classifier.logits(found.clip), plain.logits, atol=1e-4)
            np.testing.assert_allclose(found.by_frame.mean(axis=0), found.clip, rtol=1e-4, atol=1e-6)
            by_frame = classifier.logits(found.by_frame)
            kept = found.answer.crop_logits
            assert kept is not None
            np.testing.assert_allclose(by_frame, kept.by_frame, atol=1e-4)
            np.testing.assert_allclose(found.answer.logits, plain.logits, atol=1e-5)
            assert (found.frames, found.times_s) == (kept.frames, kept.times_s)


def test_of_many_clips_they_come_in_order_and_those_that_fail_are_told(
    model: Path, clips: list[Path], tmp_path: Path
) -> None:
    with Recognizer.open(model, device="cpu") as recognizer:
        alone = [recognizer.features(clip, segments=5) for clip in clips]
        missing = tmp_path / "missing.mp4"
        found = list(recognizer.features_many([clips[0], missing, *clips[1:]], segments=5))
        assert isinstance(found[1], Failure)
        for one, other in zip([found[0], *found[2:]], alone, strict=True):
            assert isinstance(one, ClipFeatures)
            assert one.source == other.source
            np.testing.assert_allclose(one.by_frame, other.by_frame, atol=1e-5)
            np.testing.assert_allclose(one.clip, other.clip, atol=1e-5)
        with pytest.raises(InputError, match=r"missing\.mp4"):
            recognizer.features(missing)
        with pytest.raises(
            UsageError, match=r"^features_many: expected several sources, got .*; give a list, or call features$"
        ):
            recognizer.features_many(str(clips[0]))


def test_frames_of_the_program_have_those_of_the_file(model: Path, clips: list[Path]) -> None:
    frames = np.stack(list(decode_plainly(clips[0])))
    with Recognizer.open(model, device="cpu") as recognizer:
        of_file = recognizer.features(clips[0], segments=4)
        of_frames = recognizer.features(frames[..., ::-1], bgr=True, times_s=np.arange(30) / 10, segments=4)
    np.testing.assert_array_equal(of_frames.by_frame, of_file.by_frame)
    assert of_frames.frames == of_file.frames
    assert of_frames.times_s == tuple(frame / 10 for frame in of_frames.frames)


def test_as_json_they_keep_every_digit(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model, device="cpu") as recognizer:
        found = recognizer.features(clips[1], segments=2)
    told = json.loads(json.dumps(found.to_dict()))
    assert list(told) == ["source", "frames", "times_s", "clip", "by_frame"]
    np.testing.assert_array_equal(np.float32(told["clip"]), found.clip)
    np.testing.assert_array_equal(np.float32(told["by_frame"]), found.by_frame)


def test_one_run_of_the_network_gives_both(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_engine(model, backend="onnxruntime", device="cpu") as engine:
        rows: list[int] = []
        run = type(engine)._run  # type: ignore[attr-defined]

        def counted(self: object, crops: np.ndarray, **options: bool) -> np.ndarray:
            rows.append(len(crops))
            return run(self, crops, **options)

        monkeypatch.setattr(type(engine), "_run", counted)
        found = Recognizer(engine).features(clips[0], segments=6, views="three")
        assert isinstance(found.answer, Classification)
    assert sum(rows) == 6 * 3


def test_a_model_of_an_older_release_classifies_and_says_what_to_do(tmp_path: Path, clips: list[Path]) -> None:
    with Recognizer.open(write_tiny_model(tmp_path / "old.onnx"), device="cpu") as recognizer:
        assert recognizer.classify(clips[0]).logits.shape == (4,)
        for ask in (recognizer.features, lambda clip: recognizer.features_many([clip])):
            with pytest.raises(UsageError, match=r"^features: the model gives logits alone, .*; convert it again"):
                ask(clips[0])


def test_an_engine_that_gives_other_vectors_than_it_says_is_named(model: Path) -> None:
    with open_engine(model, backend="onnxruntime", device="cpu") as engine:
        engine.features = FEATURES + 1
        batcher = CropBatcher(engine, views="center", features=True)
        batcher.add(0, np.zeros((20, 20, 3), np.uint8), 1)
        width = CLASSES + FEATURES
        expected = rf"gave logits and features of shape \(1, {width}\).*expected \(1, {width + 1}\)"
        with batcher, pytest.raises(ModelError, match=expected):
            batcher.flush()
