import hashlib

import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.frames.preprocess import normalise, resize_frame, ten_crop
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.model.spec import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_STD, RESNET_VD
from pptsn.runtime.video import open_video
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import NETWORKS
from pptsn.training.network.graph import MethodAsLayer, eager_view_function, view_function
from pptsn.training.network.resnet_vd import BLOCK_COUNTS, PPTSN, feature_width
from pptsn.training.network.weights import state_of
from tests.training.published import published_names, seeded_state


@pytest.fixture(scope="module")
def small() -> PPTSN:
    paddle.seed(1)
    return PPTSN(18, 5)


def _clips(*shape: int):
    return paddle.to_tensor(np.random.default_rng(2).normal(size=shape).astype(np.float32))


def test_all_depths_of_the_spec_can_be_built():
    assert NETWORKS.keys() == ARCHITECTURES.keys()
    assert tuple(BLOCK_COUNTS) == ARCHITECTURES[RESNET_VD]
    with pytest.raises(UsageError, match="choose one of 18, 34"):
        PPTSN(19, 5)


@pytest.mark.parametrize(("depth", "entries", "millions"), [(18, 117, 11.71), (50, 277, 25.58)])
def test_a_depth_has_its_published_size(depth, entries, millions):
    """ResNet-vd of 18 and 50 layers has so many million parameters with 1000 classes (PaddleClas' tables)."""
    model = PPTSN(depth, 5)
    assert len(model.state_dict()) == entries
    learned = sum(int(np.prod(p.shape)) for p in model.parameters() if not p.stop_gradient)
    with_1000_classes = learned + 995 * (feature_width(depth) + 1)
    assert with_1000_classes / 1e6 == pytest.approx(millions, abs=0.02)


def test_a_shortcut_pools_where_its_block_has_a_stride():
    model = PPTSN(34, 5)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["backbone.bb_0_0.short._conv.weight"] == (64, 64, 1, 1)
    assert shapes["backbone.bb_3_0.short._conv.weight"] == (512, 256, 1, 1)
    assert "backbone.bb_3_1.short._conv.weight" not in shapes
    odd = paddle.zeros([1, 64, 7, 7])
    model.eval()
    # The pool covers the last row too, as ceil_mode says: 7 → 4, like the 3x3 convolution beside it.
    assert model.backbone.bb_1_0(odd).shape == [1, 128, 4, 4]


def test_a_clip_gives_the_mean_of_its_frames_logits(small):
    small.eval()
    clips = _clips(2, 3, 3, 32, 32)
    by_frame = small.view_logits(clips.flatten(0, 1)).numpy().reshape(2, 3, 5)
    assert small(clips).numpy() == pytest.approx(by_frame.mean(axis=1), abs=1e-5)
    assert MethodAsLayer(small, "view_logits")(clips[0]).numpy() == pytest.approx(by_frame[0], abs=1e-5)


def test_features_are_dropped_in_training_alone(small):
    features = _clips(4, 512)
    small.head.eval()
    assert np.array_equal(small.head(features).numpy(), small.head(features).numpy())
    small.head.train()
    assert not np.array_equal(small.head(features).numpy(), small.head(features).numpy())


def test_initial_weights_are_the_recipes(small):
    state = state_of(small)
    assert np.all(state["head.fc.bias"] == 0)
    assert state["head.fc.weight"].std() == pytest.approx(0.01, rel=0.1)
    weight = state["backbone.bb_3_1.conv1._conv.weight"]
    assert weight.std() == pytest.approx(np.sqrt(2 / (512 * 9)), rel=0.02)


def test_the_fast_form_gives_the_same_logits(small):
    pixels = _clips(7, 3, 32, 32).numpy()
    fast = view_function(small, crop_size=32)
    assert fast(pixels) == pytest.approx(eager_view_function(small)(pixels), abs=1e-4)
    assert fast(pixels[:2]) == pytest.approx(fast(pixels)[:2], abs=1e-4)


@pytest.mark.shared
def test_names_and_shapes_are_those_of_the_published_checkpoint(shared_dir):
    state = PPTSN(50, 400).state_dict()
    assert [(name, tuple(value.shape)) for name, value in state.items()] == published_names(shared_dir)


def _clip_paths(folder) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {hashlib.sha256(path.read_bytes()).hexdigest(): str(path) for path in files}


def _frame_logits(infer, path: str, indices: list[int]) -> dict[int, np.ndarray]:
    """Mean logits over the ten crops of each distinct frame, (400,)."""
    distinct = sorted(set(indices))

    def resize(pixels):
        return resize_frame(pixels, short_side=256, rule="fixed_ratio")

    with open_video(path) as video:
        frames = video.read(distinct, transform=resize)
    logits = {}
    for index, frame in zip(distinct, frames, strict=True):
        pixels = normalise(ten_crop([frame.pixels], size=224), mean=IMAGENET_MEAN, std=IMAGENET_STD)
        logits[index] = infer(pixels).mean(axis=0)
    return logits


CLIPS = ("example.avi", "decord_video_90.mov", "demo.mp4", "man-surfing.mp4", "v_ApplyEyeMakeup_g01_c01.avi")


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", CLIPS)
def test_the_seeded_checkpoint_gives_the_original_logits(name, shared_dir, reference):
    model = PPTSN(50, 400)
    model.set_state_dict(seeded_state(shared_dir))
    infer = view_function(model, crop_size=224)
    paths = _clip_paths(shared_dir / "clips")
    with np.load(shared_dir / "reference" / "logits.npz") as stored:
        expected = {tuple(key.split(":")): stored[key] for key in stored.files}
    assert {clip for clip, _ in expected} == set(CLIPS)
    entries = {(clip["clip"], str(clip["num_seg"])): clip for clip in reference["clips"]}
    wanted = {
        (clip, segments): centre_indices(entries[clip, segments]["frames_len"], int(segments))
        for clip, segments in expected
        if clip == name
    }
    path = paths[next(entries[key]["clip_sha256"] for key in wanted)]
    by_frame = _frame_logits(infer, path, [index for indices in wanted.values() for index in indices])
    for key, indices in wanted.items():
        logits = np.mean([by_frame[index] for index in indices], axis=0)
        assert np.abs(logits - expected[key]).max() < 1e-3, key
        scores = np.exp(logits - logits.max())
        scores /= scores.sum()
        top5 = entries[key]["top5"]
        assert scores[top5] == pytest.approx(entries[key]["top5_score"], abs=1e-3), key
