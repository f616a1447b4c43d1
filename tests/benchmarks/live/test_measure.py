"""What is reported of a search: the figures, why no more streams hold, and every trial."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pptsn.benchmarks.live import measure
from pptsn.benchmarks.live.measure import measure_live
from pptsn.benchmarks.live.source import LiveSource
from pptsn.benchmarks.live.trial import LiveLoad, Trial
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Result
from pptsn.cli.bench.live import live
from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.uri import parse_source
from tests import models
from tools.targets.tiny_model import write_tiny_model

SOURCE = "synthetic:?live=1&fps=25&size=64x48"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Engine]:
    with open_engine(model, device="cpu") as engine:
        yield engine


def load() -> LiveLoad:
    source = LiveSource(uri=parse_source(SOURCE), name="pictures", fps=25.0)
    return LiveLoad(source=source, settings=StreamSettings(), bound_ms=100, seconds=6)


def measured(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, capacity: int, most: int = 64, samples: int = 120
) -> Result:
    """Report on a machine that serves `capacity` streams: predictions take 10 ms a stream."""

    def run(engine: Engine, load: LiveLoad, streams: int) -> Trial:
        failures = () if streams <= capacity else ("3 sampled frames were dropped",)
        ages_ms = tuple(10.0 * streams + 0.01 * number for number in range(samples))
        return Trial(streams=streams, seconds=6.25, ages_ms=ages_ms, failures=failures)

    monkeypatch.setattr(measure, "run_trial", run)
    return measure_live(engine, Path("folder/tiny.onnx"), load(), most=most, method=Method())


def test_the_streams_and_their_latency_are_reported(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured(engine, monkeypatch, capacity=7)
    assert (result["streams"].value, result["streams"].better) == (7, "higher")
    assert {m.better for m in result.measurements if m.name.startswith("latency")} == {""}, "those of that number"
    assert result["latency_p50_ms"].value == pytest.approx(70.59)
    assert result["latency_p99_ms"].value == pytest.approx(71.18)
    assert result["latency_p99_ms"].samples == 240
    assert [trial["streams"] for trial in result.facts["trials"]] == [9, 6, 7, 8, 8, 7]
    assert result.sentence == (
        "7 streams (pictures at 25 frames/s) with p99 latency within 100 ms; with 8: 3 sampled frames were dropped"
    )


def test_the_key_holds_nothing_that_changes_from_run_to_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = measured(engine, monkeypatch, capacity=7)
    assert result.section == "live"
    assert result.settings == {
        "model": "tiny.onnx",
        "precision": "fp32",
        "backend": "onnxruntime cpu",
        "views": "center",
        "window_s": 4.0,
        "segments": 8,
        "source": "pictures",
        "bound_ms": 100,
        "fps": 25.0,
    }


def test_where_decoding_is_left_out_of_the_latency_it_is_said(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = measured(engine, monkeypatch, capacity=7)
    source = LiveSource(uri=parse_source("clip.mp4"), name="clip.mp4", fps=30.0)
    paced = dataclasses.replace(load(), source=source)
    file = measure_live(engine, "tiny.onnx", paced, most=64, method=Method())
    assert (live.facts["latency_includes_decoding"], file.facts["latency_includes_decoding"]) == (True, False)
    assert "after decoding" not in live.sentence
    assert file.sentence.startswith(
        "7 streams (clip.mp4 at 30 frames/s) with p99 latency after decoding within 100"
    )


def test_where_not_one_stream_holds_it_is_said_why(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured(engine, monkeypatch, capacity=0)
    assert result["streams"].value == 0
    assert result["latency_p99_ms"].value is None
    assert result["latency_p99_ms"].note == "not one stream holds"
    assert result.sentence == "not one stream (pictures at 25 frames/s) holds: 3 sampled frames were dropped"


def test_where_all_that_were_tried_hold_it_is_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured(engine, monkeypatch, capacity=1000, most=20)
    assert result["streams"].value == 20
    assert "the machine may serve more" in result["streams"].note
    assert result.sentence.endswith("within 100 ms, which is as many as were tried")


def test_too_few_predictions_give_no_p99(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured(engine, monkeypatch, capacity=1, samples=30)
    assert result["latency_p99_ms"].value is None
    assert "needs at least 100 samples, got 60" in result["latency_p99_ms"].note
    assert result["latency_p90_ms"].value is not None


def test_an_engine_that_fails_is_one_line_about_the_model(engine: Engine) -> None:
    class Broken(Engine):
        spec, identity, batch_size = engine.spec, engine.identity, 1

        def _infer(self, crops: Frame) -> Logits:
            raise RuntimeError("the device has gone")

        def close(self) -> None:
            pass

    with pytest.raises(ModelError, match=r"m\.onnx: the engine failed \(RuntimeError: the device has gone\)"):
        measure_live(Broken(), "m.onnx", load(), most=1, method=Method())


def test_a_stream_that_the_engine_has_no_time_for_is_not_counted(engine: Engine) -> None:
    class Slow(Engine):
        """Takes 30 ms for each crop, on any machine: time for 33 of them in a second."""

        spec, identity, batch_size = engine.spec, engine.identity, 1

        def _infer(self, crops: Frame) -> Logits:
            time.sleep(0.03 * len(crops))
            return np.zeros((len(crops), self.spec.classes), np.float32)

        def close(self) -> None:
            pass

    source = LiveSource(uri=parse_source("synthetic:?live=1&fps=50&size=64x48"), name="pictures", fps=50.0)
    settings = StreamSettings(window_s=0.16, segments=8)  # 50 a second
    slow = LiveLoad(source=source, settings=settings, bound_ms=100, seconds=1)
    result = measure_live(Slow(), "m.onnx", slow, most=1, method=Method())
    assert result["streams"].value == 0
    assert "is over 100 ms" in result.sentence


@pytest.mark.parametrize("by_model", [False, True])
def test_the_command_reports_what_was_found(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by_model: bool
) -> None:
    published: dict[str, Any] = {}

    def publish(results: Sequence[Result], **options: Any) -> None:
        published.update(options, results=results)

    def run(engine: Engine, load: LiveLoad, streams: int) -> Trial:
        assert load.settings == StreamSettings(window_s=2, segments=4, views="three")
        assert (load.bound_ms, load.seconds) == (50, 3)
        failures = ("a stream failed: no signal",) if streams > 2 else ()
        return Trial(streams=streams, seconds=3.25, ages_ms=(12.0,) * 100, failures=failures)

    monkeypatch.setattr("pptsn.benchmarks.measure.publishing.publish", publish)
    monkeypatch.setattr(measure, "run_trial", run)
    app = typer.Typer()
    app.command()(live)
    options = f"--source {SOURCE} --latency-bound 50 --seconds 3 --most 3 --device cpu --views three"
    if by_model:
        model = models.write_tiny_model(
            tmp_path / "m.onnx", stream_window_s=2, stream_segments=4, stream_views="ten"
        )
    else:
        options += " --window 2 --segments 4"
    done = CliRunner().invoke(app, [*options.split(), "--model", str(model), "-o", str(tmp_path / "live.json")])
    assert done.exit_code == 0, done.output
    assert "2 streams: in time, p99 latency 12 ms" in done.output
    assert "3 streams: a stream failed: no signal" in done.output
    (result,) = published["results"]
    looked_at = {name: result.settings[name] for name in ("window_s", "segments", "views")}
    assert looked_at == {"window_s": 2, "segments": 4, "views": "three"}
    assert (result.settings["source"], result["streams"].value) == (SOURCE, 2)
    assert published["top_line"] == {"streams": 2, "latency_p99_ms": 12}
    assert published["outputs"] == [str(tmp_path / "live.json")]


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(model: Path) -> None:
    app = typer.Typer()
    app.command()(live)
    done = CliRunner().invoke(app, ["--model", str(model), "-o", "live.txt"])
    assert isinstance(done.exception, UsageError)
