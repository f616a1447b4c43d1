from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.measure.engines import backend_name
from pptsn.benchmarks.scenarios.definitions import Observation
from pptsn.benchmarks.scenarios.own import OwnDriver
from pptsn.benchmarks.scenarios.pacing import offline_run, warm_up
from pptsn.benchmarks.scenarios.summarising import latency_measurements
from pptsn.benchmarks.scenarios.system import SystemUnderTest, clip_samples, drawn_samples
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.engines import EngineIdentity, open_engine
from pptsn.runtime.engines.base import Batch, Logits
from tests.benchmarks.scenarios.fakes import SleepingEngine, numbered_library, quick_method, run_scenario
from tests.clips import write_clip
from tests.models import CROP_SIZE, LABELS
from tools.targets.tiny_model import write_tiny_model


def test_single_stream_of_a_real_engine(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx")
    with open_engine(model, device="cpu") as engine:
        samples = drawn_samples(engine.spec, "ten")
        result = run_scenario(engine, "single-stream", samples, method=quick_method(), model=model.name)
    assert result.key == (
        "scenario scenario=single-stream driver=own model=tiny.onnx precision=fp32 backend=onnxruntime cpu "
        "views=ten batch=5"
    )
    assert [m.name for m in result.measurements] == ["latency_p90_ms", "latency_p50_ms", "latency_p99_ms"]
    p90 = result["latency_p90_ms"]
    assert len(p90.repeats) == 2
    assert 0 < result["latency_p50_ms"].value <= p90.value <= result["latency_p99_ms"].value
    assert sum(result.facts["queries"]) == p90.samples
    assert result.facts["sample"] == "one frame of 10 crops, from drawn pictures"
    assert result.facts["engine"] == engine.description
    assert result.sentence == f"tiny.onnx: 1 frame alone takes {p90.value:.4g} ms or less, 90 of 100 times."


def test_offline_counts_frames_crops_views_and_clips() -> None:
    engine = SleepingEngine(0.005, batch_size=4, mirror=True)
    result = run_scenario(
        engine, "offline", numbered_library(3, crops_a_frame=5), method=quick_method(), segments=20
    )
    frames = result["frames_per_s"].value
    assert 0.4 * 160 < frames < 160  # 4 crops in 5 ms, 5 a frame
    assert result["crops_per_s"].value == pytest.approx(5 * frames)
    assert result["views_per_s"].value == pytest.approx(10 * frames)
    assert result["clips_per_s"].value == pytest.approx(frames / 20)
    assert result.settings["segments"] == 20
    assert set(engine.counts) == {1, 4}  # full batches, and the rest of a frame that comes alone in the warm-up
    plain = run_scenario(SleepingEngine(0.001), "offline", numbered_library(3), method=quick_method())
    assert plain["views_per_s"].value == plain["crops_per_s"].value


def test_offline_runs_last_as_long_as_asked_in_whole_batches() -> None:
    engine = SleepingEngine(0.005, batch_size=4)
    method = quick_method(repeats=2, least_s=0.4)
    result = run_scenario(engine, "offline", numbered_library(3), method=method)
    frames = sum(engine.counts)
    assert frames / result["frames_per_s"].value > 0.4


class Pipelined(SleepingEngine):
    """An engine with two batches in flight, each with a delay of its own, so that one alone seems half as fast."""

    def new_batches(self, batch_size: int | None = None, *, features: bool = False) -> tuple[Batch, ...]:
        return Room(self), Room(self)


class Room(Batch):
    def __init__(self, engine: SleepingEngine) -> None:
        super().__init__(np.empty((engine.batch_size, CROP_SIZE, CROP_SIZE, 3), np.uint8))
        self.engine, self.ready_s = engine, 0.0

    def _submit(self, count: int) -> None:
        self.ready_s = time.perf_counter() + 0.02

    def _collect(self, count: int) -> Logits:
        time.sleep(max(0.0, self.ready_s - time.perf_counter()))
        return np.zeros((count, len(LABELS)), np.float32)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("supposed_share", [0.1, 1.0])
def test_offline_runs_last_as_long_as_asked_however_fast_the_system_seemed(supposed_share: float) -> None:
    method = quick_method(repeats=2, least_s=0.6)
    with SystemUnderTest(Pipelined(batch_size=4), numbered_library(4)) as system:
        pace = warm_up(system)
        supposed = replace(pace, frames_per_s=supposed_share * pace.frames_per_s)
        found = offline_run(OwnDriver(), system, supposed, method)
    assert pace.frames_per_s > 1.3 * 4 / 0.02  # more than one batch at a time can do
    assert found.frames / found.frames_per_s >= 0.3


def test_a_stream_goes_on_until_its_percentile_has_its_queries() -> None:
    engine = SleepingEngine(0.004, batch_size=8)
    result = run_scenario(engine, "multi-stream", numbered_library(8), method=quick_method(least_s=0.1))
    assert result["latency_p99_ms"].value is not None
    assert result.facts["queries"] == [50, 50]


def test_too_few_samples_for_a_percentile_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.benchmarks.scenarios.pacing.PATIENCE_S", 0.5)
    engine = SleepingEngine(0.03, batch_size=8)
    result = run_scenario(
        engine, "multi-stream", numbered_library(8), method=quick_method(repeats=1, least_s=0.15)
    )
    assert result.measurements[0].name == "latency_p99_ms"
    assert result["latency_p99_ms"].value is None
    assert "needs at least 100 samples" in result["latency_p99_ms"].note
    assert result["latency_p50_ms"].value >= 30
    assert result.sentence == ""


def test_loadgen_percentiles_need_queries_in_each_repeat() -> None:
    few = Observation(queries=60, percentiles_ms={0.5: 1.0, 0.9: 2.0, 0.99: 3.0})
    many = Observation(queries=160, percentiles_ms={0.5: 3.0, 0.9: 4.0, 0.99: 5.0})
    p99, p50, p90 = latency_measurements("multi-stream", [few, many])
    assert p99.value is None
    assert "needs at least 100 queries in each repeat" in p99.note
    assert (p50.value, p90.value, p90.repeats, p90.samples) == (2.0, 3.0, (2.0, 4.0), 220)
    assert latency_measurements("multi-stream", [many, many])[0].value == 5.0


def test_loadgens_queries_are_clocked_by_us_where_each_repeat_has_too_few() -> None:
    summary = {0.5: 1.0, 0.9: 2.0, 0.99: 3.0}
    repeats = [
        Observation(
            queries=60, percentiles_ms=summary, clocked_ms=tuple(float(n) for n in range(begin, begin + 60))
        )
        for begin in (1, 61)
    ]
    p99, p50, _ = latency_measurements("multi-stream", repeats)
    assert (p99.value, p99.samples) == (119.0, 120)
    assert "by our own clock" in p99.note
    assert (p50.value, p50.note) == (1.0, "")


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "server", "offline"])
@pytest.mark.parametrize("fail_at", [0, 30])
def test_an_engine_that_fails_gives_a_result_with_its_error(scenario: str, fail_at: int) -> None:
    engine = SleepingEngine(0.01, batch_size=1, fail_at=fail_at)
    result = run_scenario(engine, scenario, numbered_library(4), method=quick_method(least_s=2.0))
    assert result.error == "the engine failed: RuntimeError: the device is gone"
    assert result.measurements == ()
    assert result.settings["scenario"] == scenario


def test_a_bound_that_cannot_be_held_is_said_and_no_figure_invented() -> None:
    result = run_scenario(SleepingEngine(0.01), "server", numbered_library(4), method=quick_method(), bound_ms=2)
    assert [(m.name, m.value) for m in result.measurements] == [("frames_per_s", None)]
    assert "more than the bound of 2 ms" in result["frames_per_s"].note
    assert result.sentence.startswith("No rate held the bound: one frame alone takes")
    assert result.error == ""


@pytest.mark.slow
def test_server_reports_the_run_that_verified_its_rate() -> None:
    engine, method = SleepingEngine(0.004, batch_size=4), quick_method()
    for _ in range(3):  # other programs may keep the processors for longer than the bound
        result = run_scenario(engine, "server", numbered_library(4), method=method, bound_ms=60)
        if result["frames_per_s"].value is not None:
            break
    rate = result["frames_per_s"].value
    assert 50 < rate < 1300  # about four frames a call of 4 ms, less what other programs take
    assert result["latency_p50_ms"].value <= result["latency_p90_ms"].value <= result["latency_p99_ms"].value <= 60
    assert {m.name: m.better for m in result.measurements} == {
        "frames_per_s": "higher",
        "arrivals_per_s": "",
        "latency_p99_ms": "",
        "latency_p50_ms": "",
        "latency_p90_ms": "",
    }
    assert result["arrivals_per_s"].value == pytest.approx(rate, rel=0.2)
    assert result["frames_per_s"].low == rate < result["frames_per_s"].high
    assert result.settings["latency_bound_ms"] == 60
    assert result.facts["trials"][-1]["frames_per_s"] == rate
    assert result.facts["queries"] == [result["frames_per_s"].samples]
    assert result.facts["queries"][0] >= 100


def test_unknown_names_are_refused() -> None:
    for arguments in ({"scenario": "offlin"}, {"scenario": "offline", "driver": "bot"}):
        with pytest.raises(UsageError, match="choose one of"):
            run_scenario(SleepingEngine(), samples=numbered_library(2), method=quick_method(), **arguments)
    with pytest.raises(UsageError, match="unknown plan 'eleven'"):
        drawn_samples(SleepingEngine().spec, "eleven")


def test_samples_of_a_clip_are_its_frames_cut_by_the_plan(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=12)
    engine = SleepingEngine()
    samples = clip_samples(clip, engine, "three", segments=4)
    assert samples.crops.shape == (4, 3, 32, 32, 3)
    assert samples.origin == "frames of clip.mp4"
    assert not np.array_equal(samples.crops[0], samples.crops[1])
    with pytest.raises(InputError, match=r"none\.mp4"):
        clip_samples(tmp_path / "none.mp4", engine, "three", segments=4)


def test_drawn_samples_have_the_crops_that_the_engine_infers() -> None:
    mirrored, plain = SleepingEngine(mirror=True).spec, SleepingEngine().spec
    assert [drawn_samples(spec, "ten").crops_a_frame for spec in (mirrored, plain)] == [5, 10]
    assert drawn_samples(plain, "center").crops.dtype == np.uint8


def test_the_backend_is_named_without_its_version() -> None:
    engine = SleepingEngine()
    for identity, short in (
        (EngineIdentity(backend="onnxruntime", version="1.22.0", precision="fp32"), "onnxruntime cpu"),
        (
            EngineIdentity(
                backend="tensorrt",
                version="10.3.0",
                device="cuda:0",
                device_name="NVIDIA H200",
                precision="fp16",
                remark="with CUDA graphs",
            ),
            "tensorrt cuda:0",
        ),
    ):
        engine.identity = identity
        assert backend_name(engine) == short
    engine.threads = 1
    assert backend_name(engine) == "tensorrt cuda:0 1 thread"
