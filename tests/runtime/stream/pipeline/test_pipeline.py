"""Streams that end, fail, hang and come back, with the pipeline around them."""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.engines import Engine, EngineIdentity, open_engine
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.actions.messages import ActionEvent, StreamNotice, StreamPrediction
from pptsn.runtime.stream.actions.thresholds import DecisionRules, Threshold
from pptsn.runtime.stream.health.snapshots import Picture
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.uri import parse_source
from tests.clips import damage_packets, write_clip
from tests.models import tiny_spec, write_tiny_model
from tests.runtime.stream.camera import Camera
from tests.runtime.stream.running import Keeper, run_streams
from tests.waiting import SOON_S, wait_until

FAST = StreamSettings(window_s=0.4, segments=4, timeout_s=1, max_backoff_s=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.onnx")


@contextmanager
def running(model: Path | Engine, settings: StreamSettings = FAST, **options: object) -> Iterator[tuple]:
    """Yield a pipeline that has been started, and what keeps its messages."""
    engine = open_engine(model, device="cpu") if isinstance(model, Path) else model
    keeper = Keeper()
    with engine, StreamPipeline(engine, settings, keep_open=True, **options) as pipeline:  # type: ignore[arg-type]
        pipeline.add_sink(keeper)
        pipeline.start()
        yield pipeline, keeper


def has_state(state: str, detail: str = "", stream: str | None = None):  # type: ignore[no-untyped-def]
    return lambda m: (
        isinstance(m, StreamNotice) and m.state == state and detail in m.detail and stream in (None, m.stream)
    )


def is_prediction(stream: str):  # type: ignore[no-untyped-def]
    return lambda m: isinstance(m, StreamPrediction) and m.stream == stream


class SlowEngine(Engine):
    """Takes `seconds` a call, and answers by the brightness of the crops."""

    def __init__(self, seconds: float) -> None:
        self.spec = tiny_spec()
        self.identity = EngineIdentity(backend="slow", precision="fp32")
        self.batch_size = 4
        self._seconds = seconds
        self.calls: list[int] = []

    def _infer(self, crops: Frame) -> Logits:
        time.sleep(self._seconds)
        self.calls.append(len(crops))
        return np.repeat(crops.mean(axis=(1, 2, 3), dtype=np.float32)[:, None], self.spec.classes, axis=1)

    def close(self) -> None:
        pass


def capture_pids() -> list[int]:
    """Return the processes of captures that are running, as children of this process's fork server."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [int(pid) for pid in children]


def test_files_end_and_one_that_is_missing_fails_alone(model: Path, tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    run = run_streams(model, [clip, tmp_path / "none.mp4"], FAST)
    assert run.exit_code == 1
    assert [p.time_s for p in run.predictions("clip.mp4")] == pytest.approx(np.arange(20) / 10, abs=0.041)
    assert run.notices("clip.mp4")[-1] == ("ended", "")
    assert run.notices("none.mp4") == [("connecting", ""), ("failed", "there is no such file; check the path")]
    ended, failed = run.health
    assert (ended.state, ended.decoded, ended.sampled, ended.inferred, ended.predictions) == (
        "ended",
        50,
        20,
        20,
        20,
    )
    assert (failed.state, failed.predictions) == ("failed", 0)


def test_files_wait_for_their_turn(model: Path, tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=20)
    settings = StreamSettings(window_s=0.4, segments=4, at_once=2)
    run = run_streams(model, [f"{clip}?name=c{i}" for i in range(7)], settings)
    assert run.exit_code == 0
    under_way, most = 0, 0
    for message in run.messages:
        if isinstance(message, StreamNotice):
            under_way += (message.state == "connecting") - (message.state == "ended")
            most = max(most, under_way)
    assert most == 2
    assert {len(run.predictions(f"c{i}")) for i in range(7)} == {len(run.predictions("c0"))}


def test_realtime_takes_the_files_own_time(model: Path, tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=38)
    started_s = time.monotonic()
    run = run_streams(model, [clip], StreamSettings(window_s=0.4, segments=4, realtime=True))
    assert time.monotonic() - started_s > 1.45
    first, last = run.predictions("clip.mp4")[0], run.predictions("clip.mp4")[-1]
    assert last.wall_time - first.wall_time == pytest.approx(last.time_s - first.time_s, abs=0.3)


SAID = {"window_s": 0.6, "segments": 3, "views": "three"}


@pytest.mark.parametrize("given", [{}, {"segments": 6}, {"window_s": 0.2, "segments": 2, "views": "center"}])
def test_streams_by_what_the_model_says_are_those_by_the_same_options(
    model: Path, tmp_path: Path, given: dict[str, Any]
):
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    says = write_tiny_model(tmp_path / "says.onnx", **{f"stream_{name}": value for name, value in SAID.items()})
    by_model = run_streams(says, [clip], StreamSettings(**given)).predictions("clip.mp4")
    by_options = run_streams(model, [clip], StreamSettings(**(SAID | given))).predictions("clip.mp4")
    assert len(by_model) == math.ceil(1.2 / StreamSettings(**(SAID | given)).step_s)
    assert [(p.time_s, p.window_s, p.frames) for p in by_model] == [
        (p.time_s, p.window_s, p.frames) for p in by_options
    ]
    for one, other in zip(by_model, by_options, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_every_thins_the_predictions_out(model: Path):
    settings = StreamSettings(window_s=0.4, segments=4, every_s=0.5)
    run = run_streams(model, ["synthetic:?seconds=2&fps=50"], settings)
    assert [p.time_s for p in run.predictions("synthetic")] == pytest.approx([0, 0.5, 1.0, 1.5], abs=0.021)
    assert run.health[0].inferred == 20


def test_a_stalled_camera_is_reported_and_comes_back(model: Path):
    with Camera() as camera, running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source(camera.url))
        keeper.wait_for(is_prediction(name))
        camera.stalled = True
        keeper.wait_for(has_state("retrying", "1 s"))
        camera.stalled = False
        back = keeper.wait_for(has_state("live"), after=len(keeper.messages))
        after = keeper.wait_for(is_prediction(name), after=keeper.messages.index(back))
        assert after.session > 0
        assert pipeline.health()[0].reconnects > 0
        assert pipeline.exit_code == 0


def test_a_camera_that_is_switched_off_and_on_comes_back(model: Path):
    with Camera() as camera, running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source(camera.url))
        keeper.wait_for(is_prediction(name))
        camera.off()
        keeper.wait_for(has_state("retrying"))
        keeper.wait_for(has_state("retrying", "refused"))
        assert not any("check" in detail for _, detail in keeper.notices(name))  # it worked: it will come back
        mark = len(keeper.messages)
        camera.on()
        keeper.wait_for(is_prediction(name), after=mark)


def test_a_camera_that_is_never_there_is_given_up_after_its_retries(model: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/live"
        settings = StreamSettings(max_retries=2, max_backoff_s=0.1)
        run = run_streams(model, [url, "synthetic:?seconds=1"], settings)
    assert run.exit_code == 1
    name = run.health[0].name
    state, detail = run.notices(name)[-1]
    assert state == "failed"
    assert "refused" in detail
    assert "given up after 3 attempts" in detail
    remedy = detail.rpartition("; ")[2]
    assert remedy
    assert run.notices(name)[1] == ("retrying", f"{detail.partition('; given up')[0]}; {remedy}")
    assert len(run.notices(name)) == 3  # connecting, retrying once however often, failed
    assert run.health[1].state == "ended"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_decoder_that_crashes_is_started_again(model: Path, number: signal.Signals):
    with running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=50"))
        keeper.wait_for(is_prediction(name))
        (pid,) = capture_pids()
        os.kill(pid, number)
        keeper.wait_for(has_state("retrying", number.name))
        keeper.wait_for(lambda m: is_prediction(name)(m) and m.session == 1)


def test_a_decoder_that_hangs_is_ended_and_started_again(model: Path):
    with running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=50"))
        keeper.wait_for(is_prediction(name))
        (pid,) = capture_pids()
        os.kill(pid, signal.SIGSTOP)
        keeper.wait_for(has_state("retrying", "no frame for 1 s"))
        keeper.wait_for(lambda m: is_prediction(name)(m) and m.session == 1)
        assert pid not in capture_pids()


def test_everything_ends_within_three_seconds_though_decoders_hang(model: Path):
    with running(model) as (pipeline, keeper):
        for _ in range(3):
            pipeline.add(parse_source("synthetic:?live=1&fps=50"))
        keeper.wait_for(is_prediction("synthetic-3"))
        for pid in capture_pids():
            os.kill(pid, signal.SIGSTOP)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < SOON_S
    assert capture_pids() == []
    assert [state for state, _ in keeper.notices()][-3:] == ["ended"] * 3


def test_a_picture_that_stands_still_is_reported_until_it_moves(model: Path):
    settings = StreamSettings(window_s=0.4, segments=4, frozen_after_s=0.5)
    with Camera() as camera, running(model, settings) as (pipeline, keeper):
        name = pipeline.add(parse_source(camera.url))
        keeper.wait_for(is_prediction(name))
        camera.frozen = True
        keeper.wait_for(has_state("frozen"))
        assert pipeline.health()[0].frozen
        mark = len(keeper.messages)
        camera.frozen = False
        keeper.wait_for(has_state("live"), after=mark)
        assert not pipeline.health()[0].frozen


def test_another_size_begins_a_new_window(model: Path):
    with Camera() as camera, running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source(camera.url))
        keeper.wait_for(lambda m: is_prediction(name)(m) and not m.warming_up)
        camera.size = (64, 96)
        changed = keeper.messages.index(keeper.wait_for(has_state("live", "from 96x64 to 64x96")))
        cold = keeper.wait_for(lambda m: is_prediction(name)(m) and m.warming_up, after=changed)
        warm = keeper.messages.index(cold)
        keeper.wait_for(lambda m: is_prediction(name)(m) and not m.warming_up, after=warm)
        assert pipeline.health()[0].resets == 1


def test_an_event_ends_when_its_stream_breaks_off(model: Path):
    rules = DecisionRules(thresholds={c: Threshold(0.01, 0.005) for c in range(4)})
    with Camera() as camera, running(model, rules=rules) as (pipeline, keeper):
        name = pipeline.add(parse_source(camera.url))
        started = keeper.wait_for(lambda m: isinstance(m, ActionEvent) and m.phase == "started")
        assert pipeline.health()[0].active
        camera.off()
        ended = keeper.wait_for(
            lambda m: isinstance(m, ActionEvent) and m.phase == "ended" and m.number == started.number
        )
        assert ended.stream == name
        assert ended.end_s is not None
        assert pipeline.health()[0].active == ()


def test_overload_drops_the_oldest_frames_of_live_sources_and_stays_current():
    engine = SlowEngine(0.1)
    settings = StreamSettings(window_s=0.2, segments=10, queue_frames=4)
    with running(engine, settings) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=100"))
        keeper.wait_for(lambda m: is_prediction(name)(m) and m.time_s > 1.5)
        (health,) = pipeline.health()
    assert health.dropped > 10
    assert health.inferred + health.dropped <= health.sampled
    late = [p.stages.emitted_s - p.stages.captured_s for p in keeper.messages if is_prediction(name)(p)]
    assert max(late[5:]) < 1.0  # two batches and a queue of four, however long it runs


def test_stale_predictions_are_marked():
    engine = SlowEngine(0.3)
    settings = StreamSettings(window_s=0.4, segments=4, max_staleness_s=0.2)
    with running(engine, settings) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=50"))
        assert keeper.wait_for(is_prediction(name)).stale
        assert pipeline.health()[0].stale > 0


def test_files_lose_no_frame_to_a_slow_engine():
    settings = StreamSettings(window_s=0.4, segments=4, queue_frames=2)
    with running(SlowEngine(0.02), settings) as (pipeline, keeper):
        pipeline.add(parse_source("synthetic:?seconds=3&fps=50"))
        keeper.wait_for(has_state("ended"))
        (health,) = pipeline.health()
    assert (health.sampled, health.inferred, health.dropped) == (30, 30, 0)


def test_batches_are_filled_across_streams():
    engine = SlowEngine(0.05)
    settings = StreamSettings(window_s=0.4, segments=4, max_wait_s=0.1)
    with running(engine, settings) as (pipeline, keeper):
        for number in range(4):
            pipeline.add(parse_source(f"synthetic:?seconds=3&fps=50&seed={number}"))
        for number in range(4):
            keeper.wait_for(has_state("ended", stream=f"synthetic-{number + 1}" if number else "synthetic"))
    assert np.mean(engine.calls) > 3.5


def test_streams_come_and_go_while_others_run(model: Path):
    with running(model) as (pipeline, keeper):
        stays = pipeline.add(parse_source("synthetic:?live=1&name=stays"))
        goes = pipeline.add(parse_source("synthetic:?live=1&name=goes"))
        keeper.wait_for(is_prediction(goes))
        pipeline.remove(goes)
        keeper.wait_for(has_state("ended", "removed", stream=goes))
        mark = len(keeper.messages)
        keeper.wait_for(is_prediction(stays), after=mark)
        pipeline.add(parse_source("synthetic:?seconds=1&name=comes"))
        keeper.wait_for(has_state("ended", stream="comes"))
        assert [health.state for health in pipeline.health()] == ["live", "ended", "ended"]
        pipeline.remove(goes)  # what has ended is forgotten
        for gone in (goes, "nobody"):
            with pytest.raises(KeyError):
                pipeline.remove(gone)
        assert [health.name for health in pipeline.health()] == ["stays", "comes"]
    with pytest.raises(ValueError, match="over"):
        pipeline.add(parse_source("synthetic:"))


def test_one_that_stalls_and_one_that_is_corrupt_cost_the_others_nothing(model: Path, tmp_path: Path):
    good = write_clip(tmp_path / "good.mp4", frames=50)
    corrupt = write_clip(tmp_path / "corrupt.mp4", frames=50)
    damage_packets(corrupt, range(10, 50, 3), wipe=True)
    settings = StreamSettings(window_s=0.4, segments=4, realtime=True, timeout_s=1, max_backoff_s=0.5)
    with Camera() as camera, running(model, settings) as (pipeline, keeper):
        camera.stalled = True
        pipeline.add(parse_source(f"{camera.url}?name=stalls"))
        pipeline.add(parse_source(f"{corrupt}?name=corrupt"))
        for name in ("one", "two"):
            pipeline.add(parse_source(f"{good}?name={name}"))
        for name in ("one", "two"):
            keeper.wait_for(has_state("ended", stream=name))
        health = {each.name: each for each in pipeline.health()}
    for name in ("one", "two"):
        assert (health[name].sampled, health[name].inferred, health[name].dropped) == (20, 20, 0)
        assert len([m for m in keeper.messages if is_prediction(name)(m)]) == 20
    assert keeper.notices("stalls")[1][0] == "retrying"
    assert health["corrupt"].decode_errors > 5


def test_threads_files_and_processes_end_where_they_began(model: Path):
    def resources() -> tuple[int, int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), len(capture_pids())

    with Camera() as camera, running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source(camera.url))
        keeper.wait_for(is_prediction(name))
        camera.cut()
        keeper.wait_for(lambda m: is_prediction(name)(m) and m.session == 1)
        before = resources()
        for session in range(2, 5):
            camera.cut()
            keeper.wait_for(lambda m, s=session: is_prediction(name)(m) and m.session >= s)

        def is_as_before() -> bool:
            after = resources()
            # The camera's own connection may or may not be in the middle of ending.
            near = abs(after[0] - before[0]) <= 1 and abs(after[1] - before[1]) <= 2
            return near and after[2] == before[2] == 1

        wait_until(is_as_before)
    assert capture_pids() == []


def test_pictures_are_made_while_they_are_asked_for(model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pptsn.runtime.stream.pipeline.pipeline._PICTURES_S", 0.5)
    with running(model) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=50"))
        keeper.wait_for(is_prediction(name))
        assert pipeline.picture("nobody") is None

        stream = pipeline._roster.find(name)
        assert stream is not None

        def number(picture: Picture | None) -> int:
            return -1 if picture is None else picture.number

        def is_the_last() -> bool:
            """Whether no other comes while the time of four goes by."""
            before, decoded = number(stream.stats.picture()), pipeline.health()[0].decoded
            wait_until(lambda: pipeline.health()[0].decoded >= decoded + 20)
            return number(stream.stats.picture()) == before

        wait_until(lambda: number(pipeline.picture(name)) >= 3)
        wait_until(is_the_last)
        last = number(stream.stats.picture())
        wait_until(lambda: number(pipeline.picture(name)) > last)


def test_a_pipeline_without_streams_can_be_stopped(model: Path):
    with running(model) as (pipeline, _):
        pipeline.stop()
        assert pipeline.wait(5)


def test_what_the_engine_raises_ends_all_streams_with_a_word(tmp_path: Path):
    class Broken(SlowEngine):
        def _infer(self, crops: Frame) -> Logits:
            raise MemoryError("no more")

    threads = threading.active_count()
    with running(Broken(0), StreamSettings(window_s=0.2, segments=10, queue_frames=1)) as (pipeline, keeper):
        pipeline.add(parse_source("synthetic:?live=1"))
        pipeline.add(parse_source("synthetic:"))  # would go on for ever
        with pytest.raises(MemoryError, match="no more"):
            pipeline.wait(10)
        assert {health.state for health in pipeline.health()} == {"failed"}
        assert pipeline.exit_code == 1
    assert keeper.notices()[-1] == ("failed", "the engine failed (no more)")
    assert capture_pids() == []
    assert threading.active_count() == threads


def test_an_engine_that_hangs_does_not_keep_the_rest_alive():
    release, written = threading.Event(), threading.Event()

    class Stuck(Keeper):
        def write(self, message: object) -> None:
            written.wait(20)

    class Hanging(SlowEngine):
        def _infer(self, crops: Frame) -> Logits:
            release.wait(20)
            return np.zeros((len(crops), self.spec.classes), np.float32)

    try:
        with running(Hanging(0)) as (pipeline, keeper):
            pipeline.add_sink(Stuck())
            name = pipeline.add(parse_source("synthetic:"))
            keeper.wait_for(has_state("live"))
            began_s = time.monotonic()
            for _ in range(20):  # whoever asks, as /healthz does, waits for neither the engine nor an output
                assert [stream.state for stream in pipeline.health(whole_run=True)] == ["live"]
                assert len(pipeline.sinks()) == 2
                pipeline.picture(name)
            assert time.monotonic() - began_s < SOON_S
            written.set()
            began_s = time.monotonic()
        assert time.monotonic() - began_s < SOON_S
        assert capture_pids() == []
        assert keeper.notices()[-1] == ("failed", "the engine hangs")
        assert pipeline.exit_code == 1
    finally:
        release.set()
        written.set()


def test_an_engine_that_is_merely_slow_when_asked_to_stop_is_no_failure():
    with running(SlowEngine(0.5), StreamSettings(window_s=0.2, segments=10)) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=100"))
        keeper.wait_for(is_prediction(name))
    assert pipeline.exit_code == 0
    assert keeper.notices()[-1] == ("ended", "stopped")


def test_a_pipeline_that_was_never_started_closes_at_once(model: Path):
    with open_engine(model, device="cpu") as engine:
        pipeline = StreamPipeline(engine, FAST)
        pipeline.add(parse_source("synthetic:"))
        began_s = time.monotonic()
        pipeline.close()
        assert time.monotonic() - began_s < 2
        assert pipeline.wait(0)
        assert [health.state for health in pipeline.health()] == ["ended"]
    assert capture_pids() == []


def test_a_file_from_the_network_loses_no_frame_though_its_name_does_not_tell_what_it_is(tmp_path: Path):
    write_clip(tmp_path / "film", frames=100, container_format="mp4")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = StreamSettings(window_s=0.4, segments=4, queue_frames=2)
        with running(SlowEngine(0.01), settings) as (pipeline, keeper):
            pipeline.add(parse_source(f"http://127.0.0.1:{server.server_address[1]}/film"))
            keeper.wait_for(has_state("ended"))
            (health,) = pipeline.health()
        server.shutdown()
    assert (health.decoded, health.sampled, health.inferred, health.dropped) == (100, 40, 40, 0)


@pytest.mark.parametrize("policy", [pytest.param("newest", marks=pytest.mark.slow), "block"])
def test_a_decoder_that_hangs_is_noticed_under_every_policy(model: Path, policy: str):
    settings = StreamSettings(window_s=0.4, segments=4, timeout_s=0.5, policy=policy)
    with running(model, settings) as (pipeline, keeper):
        name = pipeline.add(parse_source("synthetic:?live=1&fps=50"))
        keeper.wait_for(is_prediction(name))
        os.kill(capture_pids()[0], signal.SIGSTOP)
        keeper.wait_for(has_state("retrying", "no frame"))


def test_a_file_may_take_longer_than_the_timeout(model: Path, tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", frames=40)
    settings = StreamSettings(window_s=0.4, segments=4, timeout_s=0.3, realtime=True)
    with running(model, settings) as (pipeline, keeper):
        name = pipeline.add(parse_source(str(clip)))
        keeper.wait_for(is_prediction(name))
        (pid,) = capture_pids()
        os.kill(pid, signal.SIGSTOP)  # as a disk that sleeps would
        time.sleep(2)
        os.kill(pid, signal.SIGCONT)
        keeper.wait_for(has_state("ended"))
        assert pipeline.health()[0].decoded == 40


@pytest.mark.slow
def test_a_source_that_waits_for_a_slow_engine_is_not_taken_for_dead():
    settings = StreamSettings(window_s=0.4, segments=4, timeout_s=0.3, queue_frames=1)
    engine = SlowEngine(2.0)
    engine.batch_size = 1
    with running(engine, settings) as (pipeline, keeper):
        pipeline.add(parse_source("synthetic:?frames=15&fps=50"))
        keeper.wait_for(has_state("ended"))
        assert pipeline.health()[0].inferred == 3


def test_orders_reach_a_process_beyond_a_thousand_descriptors(model: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip("no more than a thousand descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        with running(model) as (pipeline, keeper):
            name = pipeline.add(parse_source("synthetic:?live=1&fps=50"))
            keeper.wait_for(is_prediction(name))
            pipeline.remove(name)
            keeper.wait_for(has_state("ended", "removed"), timeout_s=1.5)
    finally:
        for descriptor in many:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_streams_that_have_ended_leave_little_behind(model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pptsn.runtime.stream.pipeline.roster._KEPT_ENDED", 3)
    settings = StreamSettings(window_s=0.4, segments=4, at_once=1)
    run = run_streams(model, [f"synthetic:?frames=2&name=s{i}" for i in range(9)], settings)
    assert [health.name for health in run.health] == ["s6", "s7", "s8", "6 others"]
    assert run.health[-1].predictions == sum(len(run.predictions(f"s{i}")) for i in range(6))
    assert run.health[-1].decoded == 12
    assert all(run.predictions(f"s{i}") for i in range(9))
