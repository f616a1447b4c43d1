"""Cameras that fail in all ways: each fault is reported, the stream comes back, and nothing is left behind."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pptsn.runtime.engines import open_engine
from pptsn.runtime.stream.actions.messages import StreamNotice, StreamPrediction
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.sources.uri import parse_source
from tests.models import write_tiny_model
from tests.rtsp.client import RtspServer, require_gstreamer
from tests.rtsp.faults import FAULTS, Fault, nothing
from tests.rtsp.resources import Resources, family_resources
from tests.runtime.stream.running import Keeper

pytestmark = [pytest.mark.servers, pytest.mark.slow]

CAMERAS, ROUNDS = 3, 2
BACK_WITHIN_S = 5.0  # of the end of the fault: what is promised
REPORTED_WITHIN_S = 10.0
SETTINGS = StreamSettings(window_s=0.8, segments=4, max_gap_s=1.0, timeout_s=1.5, frozen_after_s=1.0)


@dataclass
class Camera:
    """A stream of the pipeline and the server that feeds it."""

    name: str
    server: RtspServer
    keeper: Keeper

    def wait_for_prediction(self, *, after: int, timeout_s: float) -> None:
        """Wait for a prediction that comes after message number `after`."""
        self.keeper.wait_for(
            lambda m: isinstance(m, StreamPrediction) and m.stream == self.name, after=after, timeout_s=timeout_s
        )

    def wait_for_notice(self, pattern: str, *, after: int, timeout_s: float) -> None:
        """Wait for a notice whose "STATE: DETAIL" matches, after message number `after`."""
        self.keeper.wait_for(
            lambda m: (
                isinstance(m, StreamNotice)
                and m.stream == self.name
                and re.search(pattern, f"{m.state}: {m.detail}")
            ),
            after=after,
            timeout_s=timeout_s,
        )

    def suffer(self, fault: Fault) -> str:
        """Let the fault happen and pass; return what is wrong with how the stream took it, or ""."""
        begun = len(self.keeper.messages)
        fault.begin(self.server)
        try:
            self.wait_for_notice(fault.report, after=begun, timeout_s=REPORTED_WITHIN_S)
        except TimeoutError as error:
            return f"{fault.name}: not reported: {error}"
        finally:
            ended = len(self.keeper.messages)
            fault.end(self.server)
        try:
            # What broke off at once may be back before anybody looks.
            after = begun if fault.end is nothing else ended
            if fault.over:
                self.wait_for_notice(fault.over, after=after, timeout_s=BACK_WITHIN_S)
            self.wait_for_prediction(after=after, timeout_s=BACK_WITHIN_S)
        except TimeoutError as error:
            return f"{fault.name}: not back within {BACK_WITHIN_S} s: {error}"
        return ""


@contextmanager
def cameras(model: Path, count: int) -> Iterator[list[Camera]]:
    """Yield cameras whose streams are live, in one pipeline."""
    with ExitStack() as stack:
        keeper = Keeper()
        servers = [stack.enter_context(RtspServer()) for _ in range(count)]
        engine = stack.enter_context(open_engine(model, device="cpu"))
        pipeline = stack.enter_context(StreamPipeline(engine, SETTINGS))
        pipeline.add_sink(keeper)
        watched = [Camera(pipeline.add(parse_source(s.url())), s, keeper) for s in servers]
        pipeline.start()
        for camera in watched:
            camera.wait_for_prediction(after=0, timeout_s=30)
        yield watched


def suffer_all(camera: Camera, rounds: int) -> list[str]:
    return [trouble for _ in range(rounds) for fault in FAULTS if (trouble := camera.suffer(fault))]


def settled(watched: list[Camera]) -> Resources:
    """Return what this process and the captures hold, once what was ended has gone: a second changes nothing."""
    servers = [camera.server.pid for camera in watched]
    held = family_resources(without=servers)
    for _ in range(30):
        time.sleep(1)
        before, held = held, family_resources(without=servers)
        if replace(held, memory_bytes=before.memory_bytes) == before:
            break
    return held


def test_more_than_fifty_faults_are_reported_and_leave_nothing_behind(tmp_path: Path) -> None:
    require_gstreamer()
    assert CAMERAS * ROUNDS * len(FAULTS) >= 50
    model = write_tiny_model(tmp_path / "model.onnx")
    threads = threading.active_count()
    with cameras(model, CAMERAS) as watched, ThreadPoolExecutor(CAMERAS) as pool:

        def suffer(rounds: int) -> list[str]:
            return [t for each in pool.map(suffer_all, watched, [rounds] * CAMERAS) for t in each]

        # A first round does not count: what is loaded at the first failure stays loaded.
        assert suffer(1) == []
        before = settled(watched)
        assert suffer(ROUNDS) == []
        after = settled(watched)
    assert (after.processes, after.files) == (before.processes, before.files)
    assert after.threads <= before.threads
    assert after.memory_bytes < 1.05 * before.memory_bytes
    assert threading.active_count() == threads
