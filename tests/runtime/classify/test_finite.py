"""Logits that are no finite numbers are an error of their source, whatever runs the model and whoever asks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.verify.logits import clip_logits
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.engines import Engine, EngineIdentity, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.recognizer import Recognizer
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.training.synthetic.mp4 import write_mp4
from tests.models import needs_openvino, tiny_spec, write_blind_model, write_tiny_model
from tests.runtime.stream.running import run_streams

FRAMES = 8
BACKENDS = ["onnxruntime", pytest.param("openvino?cache=0", marks=needs_openvino)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blind_model(tmp_path_factory.mktemp("model") / "blind.onnx")


def _clip(folder: Path, dark: int) -> Path:
    """Write a clip of 8 frames, the first `dark` of which the model is blind for."""
    frames = [np.full((48, 64, 3), 20 if place < dark else 200, np.uint8) for place in range(FRAMES)]
    write_mp4(folder / f"{dark}.mp4", frames, fps=10)
    return folder / f"{dark}.mp4"


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_clip_fails_by_itself_for_any_share_of_its_frames(tmp_path: Path, model: Path, backend: str) -> None:
    clips = [_clip(tmp_path, dark) for dark in range(FRAMES + 1)]
    with Recognizer.open(model, backend=backend, device="cpu") as recognizer:
        results = list(recognizer.classify_many(clips, segments=FRAMES, views="center"))
    assert isinstance(results[0], Classification)
    assert np.isfinite(results[0].logits).all()
    for clip, result in zip(clips[1:], results[1:], strict=True):
        assert isinstance(result, Failure)
        assert str(result.error).startswith(f"{clip}: the model gives logits for it that are no finite numbers; ")


@pytest.mark.parametrize("dark", [0, 1, FRAMES])
def test_classify_writes_no_nan_and_ends_with_1(tmp_path: Path, model: Path, run, dark: int) -> None:
    clips = [_clip(tmp_path, 0), _clip(tmp_path, dark)]
    ending = run("classify", *clips, "--model", model, "--segments", FRAMES, "-o", tmp_path / "o.jsonl")
    rows = [
        json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "o.jsonl").read_text().splitlines()
    ]
    assert ["error" in row for row in rows] == [False, dark > 0]
    assert ending.code == (1 if dark else 0)


@pytest.mark.parametrize("dark", [0, 1, FRAMES])
def test_a_stream_fails_with_it_and_predicts_nothing_from_it(tmp_path: Path, model: Path, dark: int) -> None:
    run = run_streams(
        model, [f"{_clip(tmp_path, dark)}?name=dark", _clip(tmp_path, 0)], StreamSettings(window_s=0.4)
    )
    assert all(np.isfinite(p.scores).all() for name in ("dark", "0.mp4") for p in run.predictions(name))
    assert run.notices("0.mp4")[-1] == ("ended", "")
    state, detail = run.notices("dark")[-1]
    assert (state, run.exit_code) == (("failed", 1) if dark else ("ended", 0))
    assert ("no finite numbers" in detail) is (dark > 0)


@pytest.mark.parametrize("dark", [0, 1, FRAMES])
def test_nothing_is_proven_by_a_model_without_answers(tmp_path: Path, model: Path, dark: int) -> None:
    right = write_tiny_model(tmp_path / "right.onnx", mirror=False)
    runs = Runs(segments=FRAMES, views="center", decoders=0)
    clip = _clip(tmp_path, dark)
    with open_engine(right) as first, open_engine(model) as second:
        if not dark:
            assert list(clip_logits([first, second], [clip], runs)[0]) == [0]
            return
        with pytest.raises(ModelError, match="no finite numbers"):
            clip_logits([first, second], [clip], runs)


class MisshapenEngine(Engine):
    """Gives logits of any shape, as a plugin may."""

    def __init__(self, rows: int, classes: int) -> None:
        self.spec = tiny_spec()
        self.identity = EngineIdentity(backend="misshapen", precision="fp32")
        self.batch_size = 4
        self._shape = (rows, classes)

    def _infer(self, crops: Frame) -> Logits:
        return np.zeros(self._shape, np.float32)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("rows", [0, 1, 4, 5])
@pytest.mark.parametrize("classes", [0, 3, 4, 5])
def test_logits_have_a_row_for_each_crop_and_a_column_for_each_class(rows: int, classes: int) -> None:
    side = tiny_spec().short_side
    with CropBatcher(MisshapenEngine(rows, classes), views="center") as batcher:
        for owner in range(3):
            batcher.add(owner, np.zeros((side, side, 3), np.uint8), 1)
        if (rows, classes) == (4, 4):
            batcher.add(3, np.zeros((side, side, 3), np.uint8), 1)
            assert batcher.is_complete(3)
            return
        with pytest.raises(ModelError, match=r"gave logits of shape .* for 3 crops, expected \(3, 4\)"):
            batcher.flush()
