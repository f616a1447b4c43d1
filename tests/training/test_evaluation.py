import dataclasses
import json
import sys

import numpy as np
import onnx
import pytest

from pptsn.cli.program import main
from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.graph.files import write_model
from pptsn.runtime.base.errors import InputError, ModelError, UsageError
from pptsn.runtime.frames.preprocess import normalise, resize_frame, ten_crop
from pptsn.runtime.frames.protocols import PROTOCOLS, Protocol
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import IMAGENET_MEAN, IMAGENET_STD
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import open_video
from pptsn.training import evaluation
from pptsn.training.checkpoint_engine import CheckpointEngine
from pptsn.training.evaluation import evaluate
from pptsn.training.export import export_model
from pptsn.training.export_options import ExportOptions
from pptsn.training.network.graph import eager_view_function
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import apply_checkpoint, read_checkpoint, save_weights
from pptsn.training.recipe import parse_recipe
from tests.clips import cut_file, write_clip
from tests.models import write_tiny_model
from tests.training.checkpoints import network_state
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    return make_lists(tmp_path_factory.mktemp("lists"), train=1, val=6)


@pytest.fixture(scope="module")
def weights(lists):
    save_weights(network_state(), lists / "w.pdparams")
    return lists / "w.pdparams"


@pytest.fixture(scope="module")
def logits_by_definition(weights, lists) -> np.ndarray:
    """Mean over two frames of the mean over the ten crops, layer by layer, (6, 3)."""
    model = PPTSN(18, 3)
    apply_checkpoint(model, read_checkpoint(weights))
    infer = eager_view_function(model)
    rows = []
    for index in range(6):
        with open_video(lists / f"val {index}.mp4") as video:
            frames = video.read(centre_indices(3, 2))
        resized = [resize_frame(frame.pixels, short_side=36, rule="fixed_ratio") for frame in frames]
        rows.append(
            infer(normalise(ten_crop(resized, size=32), mean=IMAGENET_MEAN, std=IMAGENET_STD)).mean(axis=0)
        )
    return np.array(rows)


def test_it_counts_the_answers_that_the_definition_gives(lists, weights, logits_by_definition):
    labels = np.arange(6) % 3
    right = logits_by_definition.argmax(axis=1) == labels
    result = evaluate(tiny_recipe(lists), weights)
    assert (result.clips, result.looked_at.views, result.looked_at.segments) == (6, "ten", 2)
    assert result.top1 == pytest.approx(right.mean())
    assert result.top5 == 1.0
    assert result.class_top1 == pytest.approx([right[labels == label].mean() for label in range(3)])
    assert result.unreadable == ()


@pytest.mark.slow
def test_decoders_change_no_figure(lists, weights):
    assert evaluate(tiny_recipe(lists), weights, decoders=2) == evaluate(tiny_recipe(lists), weights, decoders=0)


def test_the_logits_of_a_clip_are_the_mean_over_frames_and_views(lists, weights, logits_by_definition):
    with CheckpointEngine.of_recipe(weights, tiny_recipe(lists)) as engine:
        # In batches of seven crops, as the recipe says, of twenty.
        assert engine.batch_size == 7
        recognizer = Recognizer(engine)
        for index, expected in enumerate(logits_by_definition):
            result = recognizer.classify(lists / f"val {index}.mp4", segments=2)
            assert result.logits == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="closed"):
        engine.infer(np.zeros((1, 32, 32, 3), np.uint8))


@pytest.fixture(scope="module")
def converted(lists, weights):
    (lists / "labels.txt").write_text("a\nb\nc\n")
    options = ExportOptions(labels=lists / "labels.txt", short_side=36, crop_size=32)
    export_model(weights, lists / "export", options=options)
    convert_to_onnx(lists / "export", lists / "m.onnx")
    return lists / "m.onnx"


def test_a_converted_model_gives_what_its_checkpoint_gives(lists, weights, converted):
    found, expected = evaluate(tiny_recipe(lists), converted), evaluate(tiny_recipe(lists), weights)
    assert found == expected
    assert "onnxruntime" in found.engine
    assert "paddle" in expected.engine


@pytest.mark.slow
def test_a_converted_model_gives_the_features_of_its_checkpoint(lists, weights, converted):
    clip = lists / "val 0.mp4"
    with CheckpointEngine.of_recipe(weights, tiny_recipe(lists)) as engine, Recognizer.open(converted) as other:
        assert engine.features == other.spec.features > 0
        found = Recognizer(engine).features(clip, segments=2)
        expected = other.features(clip, segments=2)
        np.testing.assert_allclose(found.by_frame, expected.by_frame, atol=1e-4)
        np.testing.assert_allclose(found.clip, expected.clip, atol=1e-4)
        np.testing.assert_allclose(
            found.answer.logits, Recognizer(engine).classify(clip, segments=2).logits, atol=1e-4
        )
    with pytest.raises(ValueError, match="closed"):
        engine.infer_with_features(np.zeros((1, 32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("m.onnx", {}, ("auto", "cpu")),
        ("m.int8.onnx", {"device": "cuda:1", "backend": "onnxruntime"}, ("onnxruntime", "cuda:1")),
        ("m.engine", {}, ("auto", "auto")),
        ("m.engine", {"device": "cuda", "backend": "tensorrt"}, ("tensorrt", "cuda")),
    ],
)
def test_backend_and_device_reach_the_engine(lists, converted, monkeypatch, name, chosen, expected):
    asked = []

    def recording(path, *, backend, device, **of_the_work):
        asked.append((path, backend, device))
        return original(converted)

    original = evaluation.open_engine
    monkeypatch.setattr(evaluation, "open_engine", recording)
    evaluate(tiny_recipe(lists), lists / name, segments=1, views="center", **chosen)
    assert asked == [(lists / name, *expected)]


def test_a_checkpoint_takes_no_backend_and_known_devices_only(lists, weights):
    with pytest.raises(UsageError, match=r"--backend: onnxruntime runs .*run by Paddle"):
        evaluate(tiny_recipe(lists), weights, backend="onnxruntime")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        evaluate(tiny_recipe(lists), weights, device="gpu")


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_prints_one_json_object(tmp_path, converted, monkeypatch, capsys, broken):
    lists = make_lists(tmp_path, train=1)
    if broken:
        (lists / "val 1.mp4").write_bytes(b"no video")
    (tmp_path / "recipe.yaml").write_text(tiny_recipe(lists).to_yaml())
    command = ["pptsn", "evaluate", f"{tmp_path / 'recipe.yaml'}", "--weights", f"{converted}", "--json"]
    monkeypatch.setattr(sys, "argv", [*command, "--views", "center"])
    with pytest.raises(SystemExit) as ending:
        main()
    printed = capsys.readouterr()
    values = json.loads(printed.out)
    assert (ending.value.code or 0) == int(broken)
    assert (values["weights"], values["clips"], values["views"]) == (str(converted), 3, "center")
    assert [entry["class_id"] for entry in values["class_top1"]] == [0, 1, 2]
    assert values["top1"] == pytest.approx(sum(entry["top1"] for entry in values["class_top1"]) / 3)
    assert ["val 1.mp4" in line for line in values["unreadable"]] == [True] * broken
    assert ("val 1.mp4" in printed.err) is broken


@pytest.mark.parametrize("as_json", [False, True])
def test_a_clip_that_ends_early_is_counted_and_named(tmp_path, converted, monkeypatch, capsys, as_json):
    lists = make_lists(tmp_path, train=1)
    cut_file(write_clip(tmp_path / "cut.mkv"), 0.6).rename(lists / "val 1.mp4")
    (tmp_path / "recipe.yaml").write_text(tiny_recipe(lists).to_yaml())
    command = ["pptsn", "evaluate", f"{tmp_path / 'recipe.yaml'}", "--weights", f"{converted}"]
    monkeypatch.setattr(sys, "argv", [*command, "--views", "center", *["--json"] * as_json])
    with pytest.raises(SystemExit) as ending:
        main()
    printed = capsys.readouterr()
    assert (ending.value.code or 0) == 0
    assert "warning: " + str(lists / "val 1.mp4") + ": the file ends early: " in printed.err
    assert "pptsn: 3 of 3 clips answered, 1 of them with warnings\n" in printed.err
    if as_json:
        assert ["val 1.mp4: the file ends early" in line for line in json.loads(printed.out)["warned"]] == [True]


def test_a_converted_model_of_other_classes_is_refused(lists, tmp_path):
    with pytest.raises(ModelError, match="has 4 classes, the recipe 3"):
        evaluate(tiny_recipe(lists), write_tiny_model(tmp_path / "m.onnx"))


def test_views_and_segments_can_be_chosen(lists, weights):
    result = evaluate(tiny_recipe(lists), weights, views="center", segments=1)
    assert (result.looked_at.views, result.looked_at.segments) == ("center", 1)
    with pytest.raises(UsageError, match="unknown plan 'five'"):
        evaluate(tiny_recipe(lists), weights, views="five")


def test_an_unreadable_clip_is_wrong_and_named(tmp_path, weights):
    lists = make_lists(tmp_path, train=1)
    whole = evaluate(tiny_recipe(lists), weights, views="center")
    (lists / "val 1.mp4").write_bytes(b"no video")
    result = evaluate(tiny_recipe(lists), weights, views="center")
    assert result.clips == 3
    assert ["val 1.mp4" in line for line in result.unreadable] == [True]
    assert result.class_top1 == (whole.class_top1[0], 0.0, whole.class_top1[2])


def test_weights_that_do_not_fit_the_recipe_are_refused(lists, weights, tmp_path):
    recipe = tiny_recipe(lists).model_dump()
    recipe["model"]["depth"] = 34
    with pytest.raises(ModelError, match="has depth 18, expected 34"):
        evaluate(parse_recipe(recipe, source="x"), weights)
    backbone = {n.removeprefix("backbone."): a for n, a in network_state().items() if n.startswith("backbone.")}
    save_weights(backbone, tmp_path / "b.pdparams")
    with pytest.raises(ModelError, match="backbone without a classifier"):
        evaluate(tiny_recipe(lists), tmp_path / "b.pdparams")


def test_a_missing_list_is_told(lists, weights):
    recipe = tiny_recipe(lists).model_dump()
    recipe["data"]["test"] = None
    with pytest.raises(UsageError, match=r"data\.test: is not set"):
        evaluate(parse_recipe(recipe, source="x"), weights)
    recipe["data"]["test"] = "absent.txt"
    with pytest.raises(InputError, match=r"absent\.txt"):
        evaluate(parse_recipe(recipe, source="x"), weights)


def test_a_protocol_says_how_clips_are_looked_at(lists, weights, converted):
    for model in (weights, converted):
        found = evaluate(tiny_recipe(lists), model, protocol="videos", segments=2)
        assert found.looked_at == PROTOCOLS["videos"].but(segments=2)
        assert found.protocol is None
    published = evaluate(tiny_recipe(lists), converted, protocol="videos")
    assert published.looked_at == PROTOCOLS["videos"]
    assert published.to_dict()["protocol"] == "videos"


@pytest.mark.parametrize("said", [{}, {"segments": 4}, {"views": "three", "sampling": "centre"}])
def test_what_the_recipe_leaves_open_is_as_the_model_says(lists, converted, tmp_path, said):
    own = Protocol(segments=2, views="center", sampling="linspace", resize_rule="keep_aspect")
    model = tmp_path / "m.onnx"
    spec = dataclasses.replace(ModelFile.open(converted).spec, **dataclasses.asdict(own))
    write_model(onnx.load(converted), spec, model)
    content = tiny_recipe(lists).model_dump() | {"evaluation": said}
    recipe = parse_recipe(content, source="x")
    assert evaluate(recipe, model).looked_at == own.but(**said)
    assert evaluate(recipe, model, segments=1).looked_at == own.but(**said | {"segments": 1})


def test_sampling_and_resizing_of_the_recipe_reach_the_clips(lists, weights, monkeypatch):
    asked = []
    original = Recognizer.classify_many

    def recording(self, sources, **options):
        asked.append((options["sampling"], self._engine.spec.resize_rule))
        return original(self, sources, **options)

    monkeypatch.setattr(Recognizer, "classify_many", recording)
    content = tiny_recipe(lists).model_dump()
    content["evaluation"] |= {"sampling": "linspace", "resize_rule": "keep_aspect_floor"}
    evaluate(parse_recipe(content, source="x"), weights)
    evaluate(parse_recipe(content, source="x"), weights, sampling="centre")
    assert asked == [("linspace", "keep_aspect_floor"), ("centre", "keep_aspect_floor")]
