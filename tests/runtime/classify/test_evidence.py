"""What each frame and each crop has added to an answer, against what the network says of each of them alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.results import Classification, softmax
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.classify.sinks.arranging import sorted_at_the_end
from pptsn.runtime.classify.sinks.names import Sort
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.preprocess import cut_crop, resize_frame
from pptsn.runtime.frames.sampling import sampling_rule
from pptsn.runtime.frames.views import crop_views
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import Restart, VideoReader
from tests.clips import decode_plainly
from tests.convert.proven_models import write_proven
from tests.models import CROP_SIZE, tiny_spec, write_tiny_model


def logits_alone(model: Path, clip: Path, segments: int, views: str) -> np.ndarray:
    """Return the logits of each crop of each segment's frame, (S, V, C), each inferred by itself."""
    spec, frames = tiny_spec(), list(decode_plainly(clip))
    found = []
    with open_engine(model, device="cpu") as engine:
        for index in sorted(sampling_rule("linspace")(len(frames), segments)):
            pixels = resize_frame(frames[index], short_side=spec.short_side, rule=spec.resize_rule)
            height, width = pixels.shape[:2]
            crop = np.empty((1, CROP_SIZE, CROP_SIZE, 3), np.uint8)
            for view in crop_views(views, width, height, size=CROP_SIZE, mirror_in_graph=True):
                cut_crop(pixels, view, out=crop[0])
                found.append(engine.infer(crop)[0])
    return np.reshape(found, (segments, -1, 4))


@pytest.mark.parametrize("views", ["ten", "three", "center"])
@pytest.mark.parametrize("clip", range(3))
def test_a_result_keeps_the_logits_of_each_crop_of_each_frame(
    model: Path, clips: list[Path], clip: int, views: str
) -> None:
    with Recognizer.open(model) as recognizer:
        answer = recognizer.classify(clips[clip], segments=10, views=views, sampling="linspace", evidence=True)
    kept = answer.crop_logits
    assert kept is not None
    assert kept.logits.shape == (10, {"ten": 5, "three": 3, "center": 1}[views], 4)
    assert kept.logits.dtype == np.float32
    np.testing.assert_allclose(kept.logits, logits_alone(model, clips[clip], 10, views), atol=1e-4)
    np.testing.assert_allclose(kept.logits.mean(axis=(0, 1)), answer.logits, atol=1e-5)
    assert kept.frames == tuple(sorted(sampling_rule("linspace")(answer.frames, 10)))
    np.testing.assert_allclose(kept.times_s, np.array(kept.frames) / 25, atol=1e-3)
    np.testing.assert_allclose(answer.scores_by_view, softmax(kept.logits), rtol=1e-6)
    np.testing.assert_allclose(answer.scores_by_frame, softmax(kept.logits.mean(axis=1)), rtol=1e-4)


def test_a_graph_without_mirror_images_gives_the_same_five(model: Path, clips: list[Path], tmp_path: Path) -> None:
    kept = []
    for path in (model, write_tiny_model(tmp_path / "m.onnx", mirror=False)):
        with Recognizer.open(path) as recognizer:
            kept.append(recognizer.classify(clips[0], segments=3, evidence=True).crop_logits)
    assert kept[0] is not None
    assert kept[1] is not None
    assert kept[0].crops == kept[1].crops == (
        "top left", "top right", "bottom left", "bottom right", "centre",
    )  # fmt: skip
    np.testing.assert_allclose(kept[1].logits, kept[0].logits, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_frames_that_come_in_another_order_or_anew_stand_where_they_belong(
    model: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    def restarting(self, choose, *, transform=None, stop=None):  # type: ignore[no-untyped-def]
        frames = list(sampled(self, choose, transform=transform, stop=stop))
        yield from frames[:-2]
        yield Restart()
        yield from reversed(frames)

    with Recognizer.open(model) as recognizer:
        right = [recognizer.classify(clip, segments=8, evidence=True).crop_logits for clip in clips]
        sampled = VideoReader.sampled
        monkeypatch.setattr(VideoReader, "sampled", restarting)
    with Recognizer(open_engine(model), batch_size=batch_size) as recognizer:
        for one, found in zip(right, recognizer.classify_many(clips, segments=8, evidence=True), strict=True):
            assert isinstance(found, Classification)
            assert one is not None
            assert found.crop_logits is not None
            np.testing.assert_allclose(found.crop_logits.logits, one.logits, atol=1e-5)
            assert (found.crop_logits.frames, found.crop_logits.times_s) == (one.frames, one.times_s)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-cpu"])
def test_the_parts_add_up_to_the_clips_centred_logit(clips: list[Path], tmp_path: Path, precision: str) -> None:
    with Recognizer.open(write_proven(tmp_path, precision), device="cpu") as recognizer:
        for clip in clips:
            answer = recognizer.classify(clip, segments=10, sampling="linspace", evidence=True)
            centred = answer.logits.astype(np.float64) - answer.logits.mean(dtype=np.float64)
            for class_id, expected in enumerate(centred):
                found = answer.evidence(class_id)
                assert found.label == answer.labels[class_id]
                assert found.logit == pytest.approx(expected, abs=1e-4)
                assert found.by_frame.sum() == pytest.approx(expected, abs=1e-4)
                assert found.by_crop.sum() == pytest.approx(expected, abs=1e-4)
            written = json.loads(json.dumps(answer.to_dict()))["evidence"]
            assert written["class_id"] == answer.top(1)[0].class_id
            for of in ("frames", "crops"):
                parts = [entry["part"] for entry in written[of]]
                assert sum(parts) == pytest.approx(centred[written["class_id"]], abs=1e-4)


def test_a_part_is_what_the_formula_says(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        answer = recognizer.classify(clips[0], segments=3, sampling="linspace", evidence=True)
    alone = logits_alone(model, clips[0], 3, "ten")
    expected = (alone[1, 4, 2] - alone[1, 4].mean()) / 15
    assert answer.evidence(2).parts[1, 4] == pytest.approx(expected, abs=1e-5)


def test_a_frame_that_was_chosen_often_is_one_frame_with_all_its_parts(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        answer = recognizer.classify(clips[1], segments=21, sampling="linspace", evidence=True)
    found, kept = answer.evidence(0), answer.crop_logits
    assert kept is not None
    assert found.frames == tuple(range(7))
    assert found.parts.shape == (7, 5)
    times = [kept.frames.count(frame) for frame in found.frames]
    assert sum(times) == 21
    assert len(set(times)) > 1
    centred = kept.logits[:, :, 0] - kept.logits.mean(axis=2)
    first = [kept.frames.index(frame) for frame in found.frames]
    np.testing.assert_allclose(found.by_frame, np.array(times) * centred[first].sum(axis=1) / 105, atol=1e-5)


def test_the_largest_part_is_where_the_colour_is(model: Path, tmp_path: Path) -> None:
    """A folder of grey pictures of which one is red at the bottom right alone."""
    from PIL import Image

    for number in range(1, 6):
        pixels = np.full((80, 80, 3), 120, np.uint8)
        if number == 4:
            pixels[50:, 50:] = (255, 0, 0)
        Image.fromarray(pixels).save(tmp_path / f"img_{number:05d}.png")
    with Recognizer.open(model) as recognizer:
        answer = recognizer.classify(tmp_path, segments=5, sampling="linspace", evidence=True)
    found = answer.evidence(0)
    assert found.frames[found.by_frame.argmax()] == 3
    assert found.crops[found.by_crop.argmax()] == "bottom right"
    assert found.times_s == (None,) * 5
    assert found.to_dict()["frames"][3]["time_s"] is None


def test_nothing_is_kept_that_was_not_asked_for(model: Path, clips: list[Path]) -> None:
    with Recognizer.open(model) as recognizer:
        answer = recognizer.classify(clips[0], segments=3)
    assert answer.crop_logits is None
    assert "evidence" not in answer.to_dict()
    expected = r"0\.mp4: the logits of its frames and crops were not kept; classify it with evidence=True"
    for ask in (answer.evidence, lambda: answer.scores_by_frame, lambda: answer.scores_by_view):
        with pytest.raises(UsageError, match=expected):
            ask()


def test_what_is_held_for_later_tells_the_same_without_what_is_large(model: Path, clips: list[Path]) -> None:
    settings = ClassifySettings(segments=6, evidence=True, pictures=3, decoders=0)
    with Recognizer.open(model) as recognizer:
        (answer,) = recognizer.classify_by(settings, clips[:1])
    assert isinstance(answer, Classification)

    class Taken(list[Classification]):
        write = list.append

    printed = Taken()
    with sorted_at_the_end(printed, Sort.SCORE) as held:
        held.write(answer)
    assert len(printed) == 1
    for light in (answer.light, answer.light.light, *printed):
        assert light.to_dict() == answer.to_dict()
        assert (light.crop_logits, light.pictures) == (None, ())
        with pytest.raises(UsageError, match="were not kept"):
            light.evidence((answer.top(1)[0].class_id + 1) % 4)
    assert "evidence" not in replace(answer, crop_logits=None).light.to_dict()


@pytest.mark.parametrize("class_id", [-1, 4])
def test_a_class_that_there_is_not_is_refused(model: Path, clips: list[Path], class_id: int) -> None:
    with Recognizer.open(model) as recognizer:
        answer = recognizer.classify(clips[0], segments=1, evidence=True)
    with pytest.raises(UsageError, match=f"expected a whole number, 0 to 3, got {class_id}"):
        answer.evidence(class_id)
