"""The targets of streams measure what they say, on a model that costs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.engines import open_engine
from tests.clips import write_clip
from tools.targets.long_runs import measure_growth
from tools.targets.pipelines import run_pipeline, sampled_frames, settings_for
from tools.targets.streams import measure_latency, measure_many_streams, measure_one_stream, measure_segments
from tools.targets.tiny_model import CLASSES, CROP_SIZE, write_tiny_model

ONCE = Method(repeats=1, least_s=0.01, least_iterations=1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory):
    with open_engine(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx"), device="cpu") as engine:
        yield engine


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=100)


def test_the_tiny_model_tells_colours_apart(engine) -> None:
    crops = np.zeros((2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    crops[1] = 200
    logits = engine.infer(crops)
    assert logits.shape == (2, CLASSES)
    assert np.abs(logits[0] - logits[1]).max() > 1


def test_both_sides_of_the_comparison_infer_the_same_frames(engine, clip: Path) -> None:
    assert len(sampled_frames(str(clip), engine)) == 20
    assert len(run_pipeline(engine, [str(clip)], settings_for())) == 20
    assert len(run_pipeline(engine, [str(clip)] * 3, settings_for())) == 60


def test_a_source_that_fails_is_an_error_that_names_it(engine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        run_pipeline(engine, [str(broken)], settings_for())


def test_the_pipeline_of_a_model_that_costs_nothing_costs_more_than_its_parts(engine, clip: Path) -> None:
    one = measure_one_stream(engine, clip, ONCE, model="tiny")
    many = measure_many_streams(engine, clip, ONCE, model="tiny", views="ten")
    assert one.measurements[0].value > 5
    assert not one.facts["met"]
    assert 0 < many.measurements[0].value < 95
    assert not many.facts["met"]
    segments = measure_segments(engine, clip, ONCE, model="tiny").measurements[0]
    assert -90 < segments.value < 1000


def test_latency_is_told_in_milliseconds_and_in_periods(engine) -> None:
    result = measure_latency(engine, Method(repeats=1), model="tiny", seconds=1)
    assert result["latency_p99_periods"].value is None
    assert "needs at least 100 samples, got 5" in result["latency_p99_periods"].note
    assert not result.facts["met"]
    assert 0 < result["latency_p50_ms"].value < 2000


def test_memory_is_that_of_the_pipeline_and_of_its_capture(engine) -> None:
    result = measure_growth(engine, model="tiny", early=100, late=2000)
    assert result["late_mb"].value > 10
    assert result["capture_late_mb"].value > 10
    assert result["memory_growth_percent"].value == pytest.approx(
        100 * (result["late_mb"].value / result.facts["early_mb"] - 1)
    )
