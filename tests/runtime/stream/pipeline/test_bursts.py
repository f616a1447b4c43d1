"""Live streams that come in bursts: nothing is lost while the engine keeps up on the average."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from pptsn.runtime.stream.actions.messages import StreamPrediction
from pptsn.runtime.stream.health.snapshots import StreamHealth
from pptsn.runtime.stream.pipeline import supervisor as supervisor_module
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.uri import parse_source
from tests.clips import write_clip
from tests.runtime.stream.pipeline.test_pipeline import SlowEngine
from tests.runtime.stream.running import Keeper
from tests.runtime.stream.sources.servers import Route, WebServer, copy_packets

RATE = 25
# FFmpeg keeps the last pictures until more comes.
TAIL_S = 0.5
X264 = {"preset": "ultrafast", "g": "25", "bf": "0", "threads": "1"}


def in_bursts(clip: Path, *, seconds: float, burst_s: float) -> Route:
    """Return a route that sends, every `burst_s` seconds, what so many seconds of `clip` have, and then nothing.

    The clip is of `seconds` and TAIL_S, which comes with the last burst.
    """
    data = clip.read_bytes()
    packets = len(data) // 188
    bursts = math.ceil(seconds / burst_s - 1e-9)

    def send(handler) -> None:  # type: ignore[no-untyped-def]
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp2t")
        handler.end_headers()
        began_s = time.monotonic()
        for burst in range(bursts):
            handler.over.wait(max(0.0, began_s + burst * burst_s - time.monotonic()))
            first, last = (round(packets * n * burst_s / (seconds + TAIL_S)) for n in (burst, burst + 1))
            handler.wfile.write(data[first * 188 : (last if burst < bursts - 1 else packets) * 188])
        handler.over.wait(60)

    return send


@contextmanager
def classified(routes: dict[str, Route], folder: Path, settings: StreamSettings, engine_s: float) -> Iterator:  # type: ignore[type-arg]
    """Yield a pipeline that watches `routes`, and what keeps its messages; the engine takes `engine_s` a call."""
    server, keeper = WebServer(folder, routes), Keeper()
    try:
        with SlowEngine(engine_s) as engine, StreamPipeline(engine, settings, keep_open=True) as pipeline:
            pipeline.add_sink(keeper)
            for path in routes:
                pipeline.add(parse_source(f"http://{server.host}{path}?name={path[1:]}"))
            pipeline.start()
            yield pipeline, keeper
    finally:
        server.close()


def clip_of(folder: Path, seconds: float) -> Path:
    """Write a clip of `seconds` and the tail."""
    return write_clip(folder / "clip.ts", frames=round((seconds + TAIL_S) * RATE), rate=RATE, options=X264)


def slots_of(keeper: Keeper, stream: str, *, step_s: float, until_s: float) -> list[int]:
    """Return the slots of the grid that predictions were made for."""
    found = (m for m in keeper.messages if isinstance(m, StreamPrediction) and m.stream == stream)
    return [int((m.time_s + 0.001) / step_s) for m in found if m.time_s < until_s - 0.001]


def reaches(stream: str, time_s: float):  # type: ignore[no-untyped-def]
    return lambda m: isinstance(m, StreamPrediction) and m.stream == stream and m.time_s > time_s


def health_of(pipeline: StreamPipeline) -> dict[str, StreamHealth]:
    return {each.name: each for each in pipeline.health(whole_run=True)}


def test_a_burst_loses_nothing_however_long_it_is(tmp_path: Path):
    """From a frame to all at once: more than the queue holds, and with silence beyond the timeout after it."""
    clip = clip_of(tmp_path, 3)
    bursts = {"/frame": 0.04, "/half": 0.5, "/two": 1.5, "/all": 3.0}
    routes = {path: in_bursts(clip, seconds=3, burst_s=burst_s) for path, burst_s in bursts.items()}
    # The queue bridges what a busy machine takes from the engine; most bursts have more frames.
    settings = StreamSettings(window_s=0.4, segments=4, queue_frames=4, timeout_s=0.8)
    with classified(routes, tmp_path, settings, engine_s=0.01) as (pipeline, keeper):
        for path in routes:
            keeper.wait_for(reaches(path[1:], 2.85))
        health = health_of(pipeline)
    for path in routes:
        stream = health[path[1:]]
        assert (stream.dropped, stream.resets) == (0, 0), path
        assert slots_of(keeper, path[1:], step_s=0.1, until_s=3.0) == list(range(30)), path


@pytest.mark.slow
def test_an_engine_that_does_not_keep_up_on_the_average_drops_what_is_late(tmp_path: Path):
    """Four frames a call, half as many as come: what stays is no later than a burst, the queue and two calls."""
    clip = clip_of(tmp_path, 6)
    routes = {"/live": in_bursts(clip, seconds=6, burst_s=1.0)}
    settings = StreamSettings(window_s=0.4, segments=4, queue_frames=2, timeout_s=2, max_wait_s=0)
    with classified(routes, tmp_path, settings, engine_s=0.8) as (pipeline, keeper):
        keeper.wait_for(reaches("live", 5.0))
        health = health_of(pipeline)["live"]
    assert health.dropped > 10
    waited = [m.stages.emitted_s - m.stages.captured_s for m in keeper.messages if isinstance(m, StreamPrediction)]
    assert max(waited) < 4.5


def test_a_burst_beyond_the_memory_is_read_as_room_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A burst of 40 frames and room for a few: the capture waits for what is not late, and nothing is lost."""
    clip = clip_of(tmp_path, 4)
    monkeypatch.setattr(supervisor_module, "slot_bytes", lambda short_side: 250_000)
    routes = {"/live": in_bursts(clip, seconds=4, burst_s=4.0)}
    settings = StreamSettings(window_s=0.4, segments=4, queue_frames=4, queue_bytes=1e6, timeout_s=8)
    with classified(routes, tmp_path, settings, engine_s=0.02) as (pipeline, keeper):
        keeper.wait_for(reaches("live", 3.85))
        assert health_of(pipeline)["live"].dropped == 0
    assert slots_of(keeper, "live", step_s=0.1, until_s=4.0) == list(range(40))


@pytest.mark.slow
@pytest.mark.parametrize("segment_s", [2, 6])
def test_live_hls_loses_nothing(tmp_path: Path, segment_s: int):
    """A playlist that goes on: a window of three segments, a new one every `segment_s` seconds."""
    seconds = 18
    clip = write_clip(tmp_path / "clip.ts", frames=seconds * 10, rate=10, options=X264 | {"g": "10"})
    segments = cut(clip, segment_s)
    began_s = time.monotonic()

    def playlist(handler) -> None:  # type: ignore[no-untyped-def]
        ready = min(len(segments), 1 + int((time.monotonic() - began_s) / segment_s))
        first = max(0, ready - 3)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{segment_s}"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, ready):
            lines += [f"#EXTINF:{segment_s:.3f},", segments[number].name]
        body = "\n".join([*lines, ""]).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/vnd.apple.mpegurl")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    settings = StreamSettings(window_s=2.0, segments=8, queue_frames=2, timeout_s=4)
    with classified({"/live.m3u8": playlist}, tmp_path, settings, engine_s=0.01) as (pipeline, keeper):
        keeper.wait_for(reaches("live.m3u8", seconds - 1.2), timeout_s=60)
        health = health_of(pipeline)["live.m3u8"]
    assert (health.dropped, health.resets, health.reconnects) == (0, 0, 0)
    assert slots_of(keeper, "live.m3u8", step_s=0.25, until_s=seconds - 1) == list(range((seconds - 1) * 4))


def cut(clip: Path, segment_s: int) -> list[Path]:
    """Cut a clip with a key frame each second into MPEG-TS files of `segment_s` seconds each."""
    pattern = str(clip.with_name("segment%03d.ts"))
    options = {"segment_time": str(segment_s), "segment_format": "mpegts"}
    with av.open(str(clip)) as source, av.open(pattern, "w", format="segment", options=options) as target:
        copy_packets(source, target)
    return sorted(clip.parent.glob("segment*.ts"))
