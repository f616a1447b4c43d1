"""What a stream says of a window is what classifying the window's frames afresh says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.classify.results import softmax
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.frames.preprocess import Frame, cut_crop, resize_frame
from pptsn.runtime.frames.views import crop_views
from pptsn.runtime.stream.actions.messages import StreamPrediction
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.video import open_video
from tests.models import write_tiny_model
from tests.runtime.stream.running import run_streams

WINDOW_S, SEGMENTS = 1.2, 6
CLIPS = 24


def sampled_frames(path: Path, engine: Engine) -> dict[int, Frame]:
    """Return the resized frame of each slot, the first at or after its beginning, by the plainest code."""
    spec = engine.spec
    chosen: dict[int, Frame] = {}
    with open_video(path) as video:
        first_s = last_s = None
        for frame in video:
            assert frame.pts_s is not None
            first_s = frame.pts_s if first_s is None else first_s
            last_s = frame.pts_s if last_s is None else max(last_s, frame.pts_s)
            slot = math.floor((last_s - first_s + 0.001) / (WINDOW_S / SEGMENTS))
            if slot not in chosen:
                chosen[slot] = resize_frame(frame.pixels, short_side=spec.short_side, rule=spec.resize_rule)
    return chosen


def scores_afresh(frames: list[Frame], engine: Engine) -> np.ndarray:
    """Return the softmax of the mean logits over all crops of `frames`, in one call of the engine."""
    spec = engine.spec
    crops = []
    for frame in frames:
        height, width = frame.shape[:2]
        for view in crop_views("ten", width, height, size=spec.crop_size, mirror_in_graph=spec.mirror):
            crop = np.empty((spec.crop_size, spec.crop_size, 3), np.uint8)
            cut_crop(frame, view, out=crop)
            crops.append(crop)
    return softmax(engine.infer(np.stack(crops)).mean(axis=0))


@pytest.mark.parametrize("mirror", [True, False])
def test_each_window_equals_its_frames_classified_afresh(shared_dir: Path, tmp_path: Path, mirror: bool):
    actions = sorted((shared_dir / "clips" / "actions").glob("*/*.*"))
    clips = actions[:: len(actions) // CLIPS][:CLIPS] if not mirror else actions[:4]
    model = write_tiny_model(tmp_path / "model.onnx", mirror=mirror)
    settings = StreamSettings(window_s=WINDOW_S, segments=SEGMENTS, views="ten", max_gap_s=60)
    run = run_streams(model, clips, settings)
    assert run.exit_code == 0
    compared = 0
    with open_engine(model, device="cpu") as engine:
        for clip, health in zip(clips, run.health, strict=True):
            frames = sampled_frames(clip, engine)
            predictions = [m for m in run.of(health.name) if isinstance(m, StreamPrediction)]
            assert len(predictions) == len(frames), clip
            for prediction, newest in zip(predictions, sorted(frames), strict=True):
                window = [frames[slot] for slot in sorted(frames) if newest - SEGMENTS < slot <= newest]
                assert prediction.frames == len(window)
                np.testing.assert_allclose(prediction.scores, scores_afresh(window, engine), atol=1e-5, rtol=0)
                compared += 1
    assert compared > 5 * len(clips)
