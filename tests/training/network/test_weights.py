import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.runtime.model.spec import RESNET_VD
from pptsn.training.network._paddle import paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.weights import (
    apply_checkpoint,
    inspect_checkpoint,
    read_checkpoint,
    save_weights,
    state_of,
    weights_digest,
)
from tests.training.checkpoints import named_state
from tests.training.narrow import narrow_networks
from tests.training.published import seeded_state


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    return state_of(_narrow(18, 3))


@pytest.fixture
def model() -> PPTSN:
    return _narrow(18, 3)


def _narrow(depth: int, classes: int) -> PPTSN:
    with narrow_networks(shallow=False):
        return PPTSN(depth, classes)


def _backbone(state: dict[str, np.ndarray], **classifier: np.ndarray) -> dict[str, np.ndarray]:
    prefix = "backbone."
    return {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)} | classifier


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152, 200])
def test_depth_and_classes_are_told_from_the_shapes(depth):
    state = {name: np.zeros(value.shape, np.float32) for name, value in _narrow(depth, 7).state_dict().items()}
    checkpoint = inspect_checkpoint(state, path="x")
    assert (checkpoint.kind, checkpoint.depth, checkpoint.classes) == ("full", depth, 7)
    assert checkpoint.architecture == RESNET_VD
    checkpoint = inspect_checkpoint(_backbone(state), path="x")
    assert (checkpoint.kind, checkpoint.depth, checkpoint.classes) == ("backbone", depth, None)


def test_a_full_checkpoint_is_loaded_whole(tmp_path, state, model):
    save_weights(state, tmp_path / "a.pdparams")
    report = apply_checkpoint(model, read_checkpoint(tmp_path / "a.pdparams"))
    assert (report.kind, report.loaded, report.left_out) == ("full", len(state), ())
    assert weights_digest(state_of(model)) == weights_digest(state)


@pytest.mark.parametrize("classifier", ["out", "fc"])
def test_the_classifier_of_a_backbone_file_is_listed_and_left_out(tmp_path, state, model, classifier):
    names = [f"{classifier}.weight", f"{classifier}.bias"]
    arrays = {names[0]: np.ones((512, 1000), np.float32), names[1]: np.ones(1000, np.float32)}
    save_weights(_backbone(state, **arrays), tmp_path / "a.pdparams")
    before = state_of(model)
    report = apply_checkpoint(model, read_checkpoint(tmp_path / "a.pdparams"))
    assert report.kind == "backbone"
    assert list(report.left_out) == names
    after = state_of(model)
    for name in after:
        assert np.array_equal(after[name], (before if name.startswith("head.") else state)[name]), name


@pytest.mark.parametrize("backbone", [False, True])
def test_missing_unexpected_and_mis_shaped_entries_are_all_named(tmp_path, state, model, backbone):
    damaged = dict(state)
    damaged["backbone.bb_0_0.extra"] = np.zeros(3, np.float32)
    del damaged["backbone.bb_1_0.short._batch_norm._mean"]
    damaged["backbone.conv1_2._conv.weight"] = np.zeros((8, 8, 5, 5), np.float32)
    save_weights(_backbone(damaged) if backbone else damaged, tmp_path / "a.pdparams")
    before = state_of(model)
    with pytest.raises(ModelError) as caught:
        apply_checkpoint(model, read_checkpoint(tmp_path / "a.pdparams"))
    message = str(caught.value)
    assert "1 missing (backbone.bb_1_0.short._batch_norm._mean)" in message
    assert "1 unexpected (backbone.bb_0_0.extra)" in message
    assert "backbone.conv1_2._conv.weight (8, 8, 5, 5) instead of (8, 8, 3, 3)" in message
    assert weights_digest(state_of(model)) == weights_digest(before), "loaded in part"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"depth": 50}, "has depth 18, expected 50"),
        ({"classes": 400}, "has 3 classes, expected 400"),
    ],
)
def test_another_depth_or_class_count_is_named(tmp_path, asked, message):
    save_weights(named_state(), tmp_path / "a.pdparams")
    with pytest.raises(ModelError, match=message):
        read_checkpoint(tmp_path / "a.pdparams", **asked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"head.fc.weight": np.zeros((2, 3), np.int64)},
            "head.fc.weight is of type int64, expected floating point; use",
        ),
        ({"head.fc.weight": np.array([[np.nan, 1, 2]], np.float32)}, "not finite"),
        ({"head.fc.weight": np.zeros(3, np.float32)}, "no matrix head.fc.weight"),
        (
            {"backbone.bb_0_2.conv0._conv.weight": np.zeros((1, 1), np.float32)},
            r"blocks a stage are \[3, 2, 2, 2\]",
        ),
    ],
)
def test_what_is_no_pptsn_is_refused(tmp_path, change, message):
    save_weights({**named_state(), **change}, tmp_path / "a.pdparams")
    with pytest.raises(ModelError, match=message):
        read_checkpoint(tmp_path / "a.pdparams")


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    save_weights({"conv.weight": np.zeros((3, 3), np.float32)}, tmp_path / "a.pdparams")
    with pytest.raises(ModelError, match="is no PP-TSN"):
        read_checkpoint(tmp_path / "a.pdparams")


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(tmp_path / "absent.pdparams")


def test_saved_weights_are_what_paddle_loads(tmp_path, state):
    save_weights(state, tmp_path / "a.pdparams")
    loaded = paddle.load(str(tmp_path / "a.pdparams"))
    assert list(loaded) == list(state)
    assert all(np.array_equal(np.asarray(loaded[name]), state[name]) for name in state)


def test_the_digest_depends_on_names_shapes_types_and_values_alone():
    state = {"a": np.arange(6, dtype=np.float32), "b": np.ones(2, np.float32)}
    digest = weights_digest(state)
    assert len(digest) == 64
    assert weights_digest(dict(reversed(state.items()))) == digest
    assert weights_digest({**state, "a": state["a"].astype(">f4")}) == digest
    for other in (
        {"a": state["a"], "c": state["b"]},
        {**state, "a": state["a"].reshape(2, 3)},
        {**state, "a": state["a"].astype(np.float64)},
        {**state, "b": np.array([1, np.nextafter(np.float32(1), 2)], np.float32)},
    ):
        assert weights_digest(other) != digest


@pytest.mark.shared
def test_the_seeded_checkpoint_survives_saving_and_loading(tmp_path, shared_dir):
    state = seeded_state(shared_dir)
    save_weights(state, tmp_path / "seeded.pdparams")
    checkpoint = read_checkpoint(tmp_path / "seeded.pdparams", depth=50, classes=400)
    assert weights_digest(checkpoint.arrays) == weights_digest(state)
    model = PPTSN(50, 400)
    assert apply_checkpoint(model, checkpoint).loaded == 277
    assert weights_digest(state_of(model)) == weights_digest(state)


def test_weights_of_another_architecture_than_expected_are_refused(tmp_path, state):
    save_weights(state, tmp_path / "a.pdparams")
    with pytest.raises(ModelError, match="is pptsn-resnet_vd, expected other"):
        read_checkpoint(tmp_path / "a.pdparams", architecture="other")
