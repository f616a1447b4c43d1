"""What makes a trial hold or fail, and real trials with a model that costs nothing, or a time that is known."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pptsn.benchmarks.live.criteria import (
    Ages,
    StreamAges,
    dropped_frames,
    failed_streams,
    late_predictions,
    late_streams,
    slow_streams,
)
from pptsn.benchmarks.live.source import LiveSource, live_source
from pptsn.benchmarks.live.trial import LiveLoad, Trial, longest_s, run_trial
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.actions.messages import Stages, StreamPrediction
from pptsn.runtime.stream.health.snapshots import StreamHealth
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.uri import parse_source
from tests.clips import write_clip
from tools.targets.tiny_model import write_tiny_model

# Eight frames a window of 0.32 s: each frame of a clip with 25 a second is looked at.
EACH_FRAME = StreamSettings(window_s=0.32, segments=8)
SLACK_MS = 20_000.0


def source_of(text: str) -> LiveSource:
    return LiveSource(uri=parse_source(text), name="test", fps=25.0)


def load_of(text: str, settings: StreamSettings = EACH_FRAME, *, bound_ms: float = SLACK_MS) -> LiveLoad:
    return LiveLoad(source=source_of(text), settings=settings, bound_ms=bound_ms, seconds=0.5)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx"), device="cpu") as engine:
        yield engine


class SlowEngine(Engine):
    """Takes a time for each crop that is known, on any machine."""

    def __init__(self, engine: Engine, crop_s: float) -> None:
        self.spec, self.identity, self.batch_size = engine.spec, engine.identity, 1
        self._crop_s = crop_s

    def _infer(self, crops: Frame) -> Logits:
        time.sleep(self._crop_s * len(crops))
        return np.zeros((len(crops), self.spec.classes), np.float32)

    def close(self) -> None:
        pass


# Criteria


def health(state: str = "live", **fields: object) -> StreamHealth:
    return StreamHealth(name="a", source="a", state=state, **fields)  # type: ignore[arg-type]


def test_streams_that_run_have_not_failed() -> None:
    assert failed_streams([health(), health("frozen"), health("connecting")]) == ()


def test_a_stream_that_broke_off_has_failed_though_it_came_back() -> None:
    assert failed_streams([health(), health("failed", detail="no such file")]) == (
        "a stream failed: no such file",
    )
    assert failed_streams([health("ended"), health(reconnects=1)]) == ("2 streams failed: its source ended",)


def test_frames_dropped_while_warming_up_do_not_count() -> None:
    assert dropped_frames([health(dropped=5)], [health(dropped=5)]) == ()
    assert dropped_frames([health(dropped=5)], [health(dropped=7)]) == ("2 sampled frames were dropped",)


def test_one_prediction_in_a_hundred_may_be_late() -> None:
    assert late_predictions([10.0] * 99 + [500.0], 100) == ()
    assert late_predictions([10.0] * 98 + [500.0] * 2, 100) == ("p99 latency 500 ms is over 100 ms",)


def test_of_too_few_predictions_none_may_be_late() -> None:
    assert late_predictions([10.0] * 20, 100) == ()
    assert late_predictions([10.0] * 20 + [101.0], 100) == ("latency 101 ms is over 100 ms",)


def test_one_stream_that_is_mostly_late_does_not_hide_among_the_others() -> None:
    streams = {f"camera-{number}": StreamAges((10.0,) * 12, 1.0) for number in range(200)}
    assert late_streams(streams, 100) == ()
    streams["camera-7"] = StreamAges((10.0,) * 11 + (500.0,), 1.0)  # one in twelve
    assert late_streams(streams, 100) == ()
    streams["camera-7"] = StreamAges((10.0,) * 10 + (101.0,) * 2, 1.0)
    streams["camera-9"] = StreamAges((10.0,) * 4 + (500.0,) * 8, 1.0)
    ages_ms = [age_ms for stream in streams.values() for age_ms in stream.ages_ms]
    assert late_predictions(ages_ms, 100) == ()
    assert late_streams(streams, 100) == ("8 of 12 predictions of camera-9 are over 100 ms",)


def test_every_stream_has_to_make_its_predictions() -> None:
    good, behind = StreamAges((1.0,) * 12, 1.0), StreamAges((1.0,) * 11, 1.0)
    assert slow_streams([good, good], 12) == ()
    assert slow_streams([good, behind], 12) == ("1 of 2 streams fell behind: 11 of 12 predictions came",)
    assert slow_streams([StreamAges((1.0,) * 99, 1.0)], 100) == ()
    assert slow_streams([StreamAges()], 12) == ("1 of 1 streams fell behind: 0 of 12 predictions came",)


def test_a_source_has_to_keep_its_own_pace() -> None:
    assert slow_streams([StreamAges((1.0,) * 12, 0.995)], 12) == ()
    assert slow_streams([StreamAges((1.0,) * 12, 0.95)], 12) == ("a source ran at 95.0% of its pace",)


def prediction(stream: str, captured_s: float, age_s: float, time_s: float) -> StreamPrediction:
    stages = Stages(captured_s, captured_s, captured_s, captured_s, captured_s + age_s)
    scores = np.zeros(1, np.float32)
    return StreamPrediction(stream, "", 0, 0, time_s, 0.0, 1.0, 1, False, False, scores, ("a",), stages)


def test_ages_are_those_of_frames_captured_in_the_stretch() -> None:
    ages = Ages()
    for captured_s, age_s in ((9.9, 5.0), (10.0, 0.1), (11.0, 0.2), (11.9, 3.0), (12.0, 9.0)):
        ages.write(prediction("a", captured_s, age_s, 0.9 * captured_s))
    ages.write(prediction("b", 11.0, 0.5, 1.0))
    found = ages.between(10.0, 12.0)
    assert found["a"].ages_ms == pytest.approx((100, 200, 3000))
    assert found["a"].pace == pytest.approx(0.9)
    assert (len(found["b"].ages_ms), found["b"].pace) == (1, None)
    assert (ages.streams(), ages.streams_past(11.5)) == (2, 1)


# Lengths


def test_a_trial_is_as_long_as_asked_or_as_a_percentile_needs() -> None:
    load = LiveLoad(source=source_of("a.mp4"), settings=StreamSettings(), bound_ms=100, seconds=6)
    assert [load.slots(streams) for streams in (1, 2, 9, 64)] == [100, 50, 12, 12]
    assert load.trial_s(9) == 6.25
    assert load.enough_streams() == 9
    rare = dataclasses.replace(load, settings=StreamSettings(window_s=80))
    assert rare.slots(1) == 6  # one prediction in 10 s: not for a thousand seconds


def test_sources_have_to_outlast_all_trials() -> None:
    load = LiveLoad(source=source_of("a.mp4"), settings=StreamSettings(), bound_ms=100, seconds=6)
    assert longest_s(load.settings, seconds=6, bound_ms=100, most=4) > load.trial_s(1) + 1


# Real trials


def test_a_trial_measures_every_prediction_of_every_stream(engine: Engine, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=500, width=64, height=48)
    load = load_of(str(clip))
    trial = run_trial(engine, load, 4)
    assert trial.failures == ()
    assert load.slots(4) == 25
    assert 4 * 25 <= len(trial.ages_ms) <= 4 * 26
    assert trial.seconds == pytest.approx(25.5 * 0.04)
    found = trial.to_dict()
    assert 0 < found["latency_p50_ms"] <= found["latency_p90_ms"] <= found["latency_p99_ms"] <= SLACK_MS
    assert (found["streams"], found["held"]) == (4, True)


def test_an_engine_too_slow_for_its_streams_is_noticed(engine: Engine) -> None:
    # 30 ms a crop: not two streams of 25 frames a second, on any machine.
    trial = run_trial(SlowEngine(engine, 0.03), load_of("synthetic:?live=1&fps=25&size=64x48", bound_ms=100), 4)
    assert any("dropped" in failure or "over 100 ms" in failure for failure in trial.failures)


def test_a_trial_that_has_failed_ends_before_its_time(engine: Engine) -> None:
    load = dataclasses.replace(load_of("synthetic:?live=1&fps=25&size=64x48", bound_ms=100), seconds=100)
    began_s = time.monotonic()
    trial = run_trial(SlowEngine(engine, 0.03), load, 4)
    assert time.monotonic() - began_s < 50
    assert (trial.held, trial.seconds < 20) == (False, True)
    assert not any("fell behind" in failure for failure in trial.failures), "it was not waited for the rest"


def test_a_source_slower_than_its_own_pace_is_noticed_though_its_frames_are_young(engine: Engine) -> None:
    settings = StreamSettings(window_s=0.08, segments=8)
    source = "synthetic:?live=1&fps=480&size=1920x1080&pattern=noise"  # drawing one takes longer than 2 ms
    trial = run_trial(engine, load_of(source, settings), 1)
    assert any("of its pace" in failure for failure in trial.failures), trial.failures


def test_a_source_that_ends_is_noticed(engine: Engine, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=40, width=64, height=48)
    trial = run_trial(engine, load_of(str(clip)), 2)
    assert "2 streams failed: its source ended" in trial.failures


def test_a_source_that_fails_at_once_ends_the_trial(engine: Engine, tmp_path: Path) -> None:
    # The first one has failed before the last one begins, more than a second later.
    load = load_of(str(tmp_path / "none.mp4"), StreamSettings(window_s=16, segments=8))
    trial = run_trial(engine, load, 3)
    assert (trial.held, trial.ages_ms) == (False, ())
    assert "none.mp4" not in trial.failures[0]
    assert "failed" in trial.failures[0]


def test_an_engine_that_fails_ends_the_trial(engine: Engine) -> None:
    class Broken(SlowEngine):
        def _infer(self, crops: Frame) -> Logits:
            raise RuntimeError("the device has gone")

    with pytest.raises(RuntimeError, match="the device has gone"):
        run_trial(Broken(engine, 0), load_of("synthetic:?live=1&size=64x48"), 1)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_trial_in_order(engine: Engine) -> None:
    load = dataclasses.replace(load_of("synthetic:?live=1&size=64x48"), seconds=100)
    before = threading.active_count()
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    began_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_trial(engine, load, 2)
    assert time.monotonic() - began_s < 20
    assert threading.active_count() <= before


def test_a_trial_with_few_predictions_has_no_percentiles() -> None:
    found = Trial(streams=1, seconds=1, ages_ms=(5.0,) * 9, failures=()).to_dict()
    assert (found["latency_p50_ms"], found["latency_p90_ms"], found["latency_p99_ms"]) == (5.0, None, None)
    assert found["latency_max_ms"] == 5.0


def test_a_named_file_is_its_own_source(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    with live_source(str(clip), clips=tmp_path, least_s=1) as source:
        assert (source.name, source.fps) == ("clip.mp4", 25.0)
