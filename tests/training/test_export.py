import dataclasses

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError, UsageError, VerificationError
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import normalise, resize_frame
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training import export
from pptsn.training.export import export_model, real_crops, spec_of, untrained_checkpoint
from pptsn.training.export_options import ExportOptions
from pptsn.training.network._paddle import paddle
from pptsn.training.network.graph import eager_view_function
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import apply_checkpoint, read_checkpoint, save_weights, weights_digest
from tests.clips import decode_plainly, write_clip
from tests.models import tiny_spec
from tests.training.checkpoints import network_state

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    state = network_state()
    save_weights(state, folder / "w.pdparams")
    spec = ModelSpec(
        depth=18,
        labels=("a", "b", "c"),
        weights_digest=weights_digest(state),
        short_side=36,
        crop_size=32,
        num_seg=2,
    )
    (folder / "w.spec.json").write_text(spec.to_json())
    return folder / "w.pdparams"


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("0 run\n1 jump\n2 swim\n")
    return path


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_model(weights, folder)
    return folder


def _bare(weights, folder):
    """The same checkpoint without a spec beside it."""
    path = folder / "bare.pdparams"
    path.write_bytes(weights.read_bytes())
    return path


def test_the_graph_gives_the_logits_of_the_network_for_any_number_of_crops(exported, weights):
    model = PPTSN(18, 3)
    apply_checkpoint(model, read_checkpoint(weights))
    graph = paddle.jit.load(str(exported / "model"))
    graph.eval()
    assert graph._input_spec()[0].shape == (-1, 3, 32, 32)
    with np.load(exported / "reference.npz") as stored:
        crops, logits, mirrored = stored["crops"], stored["logits"], stored["mirrored_logits"]
    spec = ModelSpec.from_json((exported / "spec.json").read_bytes(), source="x")
    assert crops.shape[1:] == (32, 32, 3)
    assert crops.dtype == np.uint8
    assert logits.dtype == np.float32
    infer = eager_view_function(model)
    for part, expected in ((crops, logits), (crops[:, :, ::-1], mirrored), (crops[:1], logits[:1])):
        pixels = normalise(part, mean=spec.mean, std=spec.std)
        assert infer(pixels) == pytest.approx(expected, abs=1e-5)
        assert graph(paddle.to_tensor(pixels)).numpy() == pytest.approx(expected, abs=1e-4)


def test_the_spec_beside_the_weights_is_exported(exported, weights):
    spec = ModelSpec.from_json((exported / "spec.json").read_bytes(), source="x")
    assert spec == ModelSpec.from_json(weights.with_suffix(".spec.json").read_bytes(), source="x")
    assert sorted(path.name for path in exported.iterdir()) == [
        "digests.json", "model.json", "model.pdiparams", "reference.npz", "spec.json",
    ]  # fmt: skip


def test_options_replace_what_the_spec_says(weights, tmp_path, labels):
    options = ExportOptions(labels=labels, short_side=40, num_seg=4, resize_rule="keep_aspect")
    spec = export_model(weights, tmp_path / "out", options=options)
    beside = ModelSpec.from_json(weights.with_suffix(".spec.json").read_bytes(), source="x")
    assert spec == dataclasses.replace(
        beside, labels=("run", "jump", "swim"), short_side=40, num_seg=4, resize_rule="keep_aspect"
    )


def test_without_a_spec_the_published_values_hold(weights, tmp_path, labels):
    options = ExportOptions(labels=labels, crop_size=32)
    spec = export_model(_bare(weights, tmp_path), tmp_path / "out", options=options)
    assert (spec.depth, spec.short_side, spec.num_seg) == (18, 256, 3)
    assert spec.resize_rule == "fixed_ratio"
    assert spec.labels == ("run", "jump", "swim")


def test_400_classes_are_those_of_kinetics(tmp_path):
    save_weights(network_state(classes=400), tmp_path / "k.pdparams")
    spec = export_model(tmp_path / "k.pdparams", tmp_path / "out", options=ExportOptions(crop_size=32))
    assert spec.classes == 400
    assert spec.labels[5] == "archery"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, UsageError, "3 classes whose names are not known .*; pass --labels"),
        ({"depth": 50}, ModelError, "has depth 18, expected 50"),
        ({"classes": 400}, ModelError, "has 3 classes, expected 400"),
    ],
)
def test_what_is_not_as_asked_is_refused(weights, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        export_model(_bare(weights, tmp_path), tmp_path / "out", options=ExportOptions(**options))
    assert not (tmp_path / "out").exists()


def test_labels_of_another_number_are_refused(weights, tmp_path, labels):
    labels.write_text("run\njump\n")
    with pytest.raises(ModelError, match=r"its labels are 2, but w\.pdparams has 3 classes"):
        export_model(weights, tmp_path / "out", options=ExportOptions(labels=labels))


def test_a_spec_of_other_weights_is_refused(weights, tmp_path):
    bare = _bare(weights, tmp_path)
    spec = ModelSpec.from_json(weights.with_suffix(".spec.json").read_bytes(), source="x")
    (tmp_path / "bare.spec.json").write_text(dataclasses.replace(spec, weights_digest="0" * 64).to_json())
    with pytest.raises(ModelError, match=r"bare\.spec\.json: describes other weights than bare\.pdparams"):
        export_model(bare, tmp_path / "out")


def test_only_an_export_is_replaced(weights, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(UsageError, match="no export"):
        export_model(weights, tmp_path / "photos")
    with pytest.raises(InputError, match="is a file"):
        export_model(weights, tmp_path / "photos" / "a.jpg")
    assert (tmp_path / "photos" / "a.jpg").exists()
    export_model(weights, tmp_path / "out")
    export_model(weights, tmp_path / "out")


@pytest.mark.parametrize("extra", ["notes.txt", "model.onnx", "reference.npz/mine"])
def test_an_export_with_other_files_is_not_replaced(weights, tmp_path, extra):
    for name in ("model.json", "model.pdiparams", "spec.json"):
        (tmp_path / name).touch()
    (tmp_path / extra).parent.mkdir(exist_ok=True)
    (tmp_path / extra).write_text("mine")
    with pytest.raises(UsageError, match=rf"other content \({extra.split('/')[0]}\)"):
        export_model(weights, tmp_path)
    assert (tmp_path / extra).read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_size": 0}, r"--crop-size: is 0, expected 1 to"),
        ({"short_side": -1}, r"--short-side: is -1"),
        ({"classes": 0}, r"--classes: is 0"),
        ({"depth": 51}, r"--depth: is 51; choose one of 18, "),
        ({"resize_rule": "nonsense"}, r"--resize-rule: is 'nonsense'; choose one of fixed_ratio"),
        ({"stream_segments": 1001}, r"--stream-segments: is 1001, expected 1 to 1000"),
        ({"stream_window_s": float("nan")}, r"--stream-window: expected 0\.001 to "),
        ({"stream_views": "five"}, r"--stream-views: is 'five'; choose one of ten, three, center"),
        ({"crop_size": 50, "short_side": 40}, r"--crop-size: is 50, more than .* 40"),
    ],
)
def test_values_that_no_model_has_are_refused_before_anything_is_read(options, message):
    with pytest.raises(UsageError, match=message):
        ExportOptions(**options)


def test_a_crop_that_does_not_fit_the_spec_is_refused(weights, tmp_path):
    with pytest.raises(UsageError, match="crop_size 37 exceeds short_side 36; choose another --crop-size"):
        export_model(weights, tmp_path / "out", options=ExportOptions(crop_size=37))


def test_frames_of_streams_that_lie_too_near_are_refused(weights, tmp_path):
    options = ExportOptions(stream_window_s=0.5, stream_segments=1000)
    with pytest.raises(
        UsageError, match=r"gives 0\.0005 s between .*; choose another --stream-window or --stream-se"
    ):
        export_model(weights, tmp_path / "out", options=options)


@pytest.mark.parametrize("given", [{}, {"stream_views": "ten"}, {"stream_window_s": 1.0, "stream_segments": 2}])
def test_what_weights_say_of_streams_is_exported_unless_options_say_otherwise(weights, tmp_path, given):
    own = {"stream_window_s": 2.5, "stream_segments": 5}
    spec = ModelSpec.from_json(weights.with_suffix(".spec.json").read_bytes(), source="x")
    bare = _bare(weights, tmp_path)
    (tmp_path / "bare.spec.json").write_text(dataclasses.replace(spec, **own).to_json())
    found = spec_of(read_checkpoint(bare), ExportOptions(**given))
    assert found == dataclasses.replace(spec, **(own | given))


def test_a_spec_that_cannot_be_read_is_named(weights, tmp_path):
    bare = _bare(weights, tmp_path)
    (tmp_path / "bare.spec.json").mkdir()
    with pytest.raises(ModelError, match=r"bare\.spec\.json: cannot be read \(Is a directory\); "):
        export_model(bare, tmp_path / "out")


def test_a_graph_that_disagrees_leaves_nothing(weights, tmp_path, monkeypatch):
    original = export.save_graph

    def wrong(model, prefix, *, crop_size):
        model.head.fc.bias.set_value(model.head.fc.bias + 0.01)
        original(model, prefix, crop_size=crop_size)

    monkeypatch.setattr(export, "save_graph", wrong)
    with pytest.raises(VerificationError, match=r"differs from the network by 0\.01"):
        export_model(weights, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_backbone_cannot_be_exported(weights, tmp_path):
    backbone = {n.removeprefix("backbone."): a for n, a in network_state().items() if n.startswith("backbone.")}
    save_weights(backbone, tmp_path / "b.pdparams")
    with pytest.raises(ModelError, match="backbone without a classifier"):
        export_model(tmp_path / "b.pdparams", tmp_path / "out")


def test_drawn_crops_are_fixed_and_differ_from_their_mirror_images():
    crops = drawn_crops(4, 32)
    assert np.array_equal(crops, drawn_crops(4, 32))
    assert 20 < crops.mean() < 235
    assert np.abs(crops.astype(int) - crops[:, :, ::-1]).mean() > 10
    assert np.abs(np.diff(crops.mean(axis=(1, 2)), axis=1)).max() > 2, "grey, so a swap of channels is not seen"


def test_real_frames_join_the_reference(tmp_path):
    clips = [str(write_clip(tmp_path / f"{i}.mp4", frames=9 + i)) for i in range(2)]
    spec = tiny_spec()
    crops = real_crops(clips, spec)
    frame = resize_frame(list(decode_plainly(tmp_path / "1.mp4"))[5], short_side=40, rule="fixed_ratio")
    top, left = (frame.shape[0] - 32) // 2, (frame.shape[1] - 32) // 2
    assert np.array_equal(crops[1], frame[top : top + 32, left : left + 32])
    with pytest.raises(InputError, match=r"none\.mp4"):
        real_crops(["none.mp4"], spec)
    save_weights(network_state(), tmp_path / "w.pdparams")
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    options = ExportOptions(labels=tmp_path / "labels.txt", crop_size=32, short_side=40)
    export_model(tmp_path / "w.pdparams", tmp_path / "export", options=options, clips=clips * 6)
    with np.load(tmp_path / "export" / "reference.npz") as stored:
        assert len(stored["crops"]) == len(stored["logits"]) == 6 + 10
        assert np.array_equal(stored["crops"][7], crops[1])


def test_an_untrained_network_is_exported_with_labels_that_are_no_actions(tmp_path):
    spec = export_model(
        untrained_checkpoint(18, 400, seed=3), tmp_path / "out", options=ExportOptions(crop_size=32)
    )
    assert spec.depth == 18
    assert spec.labels[:2] == ("untrained class 0", "untrained class 1")
    assert spec.classes == 400
    assert (tmp_path / "out/model.pdiparams").exists()


def test_untrained_weights_depend_on_the_seed_alone():
    first, again, other = (untrained_checkpoint(18, 3, seed=seed) for seed in (1, 1, 2))
    assert weights_digest(first.arrays) == weights_digest(again.arrays)
    assert weights_digest(first.arrays) != weights_digest(other.arrays)


def test_the_command_exports_untrained_weights_with_the_classes_of_a_label_file(run, labels, tmp_path):
    options = ["--untrained", 1, "--depth", 18, "--labels", labels, "--crop-size", 32, "-o", tmp_path / "out"]
    ending = run("export", *options)
    assert ending.code == 0, ending.err
    assert "ResNet18-vd, 3 classes" in ending.out
    spec = ModelSpec.from_json((tmp_path / "out/spec.json").read_bytes(), source="spec.json")
    assert spec.labels == ("run", "jump", "swim")


@pytest.mark.parametrize("options", [[], ["--untrained", 1, "--weights", "w.pdparams"], ["--untrained", -1]])
def test_the_command_takes_either_weights_or_a_seed(run, tmp_path, options):
    ending = run("export", *options, "-o", tmp_path / "out")
    assert ending.code == 2
    assert "--untrained" in ending.err
    assert not (tmp_path / "out").exists()


def test_a_seed_beyond_what_paddle_takes_is_wrong_usage(run, tmp_path):
    assert run("export", "--untrained", 2**64, "-o", tmp_path / "out").code == 2
