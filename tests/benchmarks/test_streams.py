"""The benchmark of streams: that it measures what it says, on a model that costs nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import streams
from benchmarks.tiny_model import CLASSES, CROP_SIZE, write_tiny_model
from runtime.engines import open_engine
from tests.clips import write_clip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


def test_the_tiny_model_is_a_model_that_tells_colours_apart(model: Path) -> None:
    crops = np.zeros((2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    crops[1] = 200
    with open_engine(model, device="cpu") as engine:
        logits = engine.infer(crops)
    assert logits.shape == (2, CLASSES)
    assert np.abs(logits[0] - logits[1]).max() > 1


def test_both_sides_of_the_comparison_infer_the_same_frames(model: Path, tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", frames=100))
    with open_engine(model, device="cpu") as engine:
        assert len(streams.sampled_frames(clip, engine)) == 20
        assert streams.run_pipeline(engine, [clip], streams.settings_for()) == 20
        assert streams.run_pipeline(engine, [clip] * 3, streams.settings_for()) == 60


def test_it_ends_in_one_line_of_json(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds in (3, 2, 1):
        write_clip(tmp_path / f"640x360-{seconds}s.mp4", frames=25 * seconds)
    arguments = f"--model {model} --clips {tmp_path} --seconds 3 2 1 --repeats 1 --live-seconds 1 --frames 2000"
    monkeypatch.setattr(sys, "argv", ["streams", *arguments.split()])
    streams.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["latency"]["predictions"] == 5
    assert figures["memory"]["late_mb"] > 10
    assert figures["memory"]["capture_late_mb"] > 10
    assert {"one_stream", "eight_streams", "eight_ten", "segments"} <= figures.keys()
