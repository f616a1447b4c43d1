"""What `tools/predict.py` of PaddleVideo does with the export, by Paddle Inference, gives our own answer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pptsn.cli.program import main
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines.paddle.predictor import CpuPredictor
from pptsn.runtime.frames.preprocess import normalise, resize_frame, ten_crop
from pptsn.runtime.frames.sampling import centre_indices
from pptsn.runtime.model.spec import IMAGENET_MEAN, IMAGENET_STD
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.video import open_video
from pptsn.training.checkpoint_engine import CheckpointEngine
from pptsn.training.clip_level import export_clip_level
from pptsn.training.export_options import ExportOptions
from pptsn.training.network._paddle import paddle
from pptsn.training.network.weights import save_weights
from tests.training.checkpoints import network_state
from tests.training.runs import make_lists, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    lists = make_lists(tmp_path_factory.mktemp("lists"), train=1, val=2)
    (lists / "home").mkdir()
    save_weights(network_state(), lists / "w.pdparams")
    (lists / "labels.txt").write_text("a\nb\nc\n")
    sizes = ["--short-side", "36", "--crop-size", "32", "--labels", str(lists / "labels.txt")]
    weights = ["--weights", str(lists / "w.pdparams")]
    command = ["pptsn", "export", *weights, "--clip-level", "-o", str(lists / "inference"), *sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        patch.setenv("HOME", str(lists / "home"))
        with pytest.raises(SystemExit) as ending:
            main()
    assert not ending.value.code
    return lists


def _as_predict_does(clip: Path) -> np.ndarray:
    """The input of one clip, (1, 20, 3, 32, 32): all ten crops of two frames, as one list of pictures."""
    with open_video(clip) as video:
        frames = video.read(centre_indices(3, 2))
    resized = [resize_frame(frame.pixels, short_side=36, rule="fixed_ratio") for frame in frames]
    return normalise(ten_crop(resized, size=32), mean=IMAGENET_MEAN, std=IMAGENET_STD)[None]


def test_the_files_are_those_that_predict_names(folder):
    assert sorted(path.name for path in (folder / "inference").iterdir()) == ["ppTSN.pdiparams", "ppTSN.pdmodel"]


def test_nothing_is_left_in_the_home(folder):
    assert list((folder / "home").iterdir()) == []


def test_a_batch_of_clips_gives_the_answers_of_our_own_classifying(folder):
    files = folder / "inference" / "ppTSN.pdmodel", folder / "inference" / "ppTSN.pdiparams"
    clips = [folder / f"val {index}.mp4" for index in range(2)]
    found = CpuPredictor(paddle, *files).run(np.concatenate([_as_predict_does(clip) for clip in clips]))
    with CheckpointEngine.of_recipe(folder / "w.pdparams", tiny_recipe(folder)) as engine:
        own = [Recognizer(engine).classify(clip, segments=2).logits for clip in clips]
    assert found.shape == (2, 3)
    assert found == pytest.approx(np.array(own), abs=1e-4)
    assert not np.allclose(found[0], found[1], atol=1e-3)


def test_a_folder_with_other_content_is_left_alone(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    options = ExportOptions(labels=folder / "labels.txt", short_side=36, crop_size=32)
    with pytest.raises(UsageError, match=r"other content \(notes\.txt\)"):
        export_clip_level(folder / "w.pdparams", tmp_path, options=options)
