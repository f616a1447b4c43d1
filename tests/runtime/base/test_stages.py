"""The stages of the runtime: what a listener is told, and that nobody else is told anything."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pptsn.runtime.base import stages
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.stages import (
    AGGREGATE,
    BATCH_WAIT,
    COLOUR,
    COMPUTE,
    COPY_IN,
    COPY_OUT,
    CROP,
    DECODE,
    DEMUX,
    FOR_FRAMES,
    FOR_ROOM,
    RESIZE,
    listening,
    report_wait,
    stage,
    stage_in_parts,
    timed,
)
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.decoding.clips import ClipEnd, Source, clip_items
from pptsn.runtime.engines import Device, open_engine
from pptsn.runtime.engines.onnxruntime.io_binding import BoundSession
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.recognizer import Recognizer
from tests.clips import picture, write_clip
from tests.clocks import Clock
from tests.models import tiny_spec, write_tiny_model


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []

    def took(self, name: str, own_s: float) -> None:
        self.heard.append((name, own_s))

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for name, own_s in self.heard:
            assert own_s >= 0
            counts[name] += 1
        return dict(counts)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    with listening(ear):
        yield ear


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stages, "perf_counter", clock)
    return clock


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


def test_without_a_listener_nothing_is_kept() -> None:
    ear = Ear()
    with listening(ear):
        pass
    with stage(DECODE):
        report_wait(FOR_ROOM, 1.0)
        assert list(timed(DEMUX, [1, 2])) == [1, 2]
    parts = stage_in_parts(COMPUTE)
    with parts:
        pass
    parts.done()
    assert ear.heard == []


def test_one_listens_at_a_time_and_the_next_after_it() -> None:
    with listening(Ear()), pytest.raises(RuntimeError, match="one at a time"), listening(Ear()):
        pass
    ear = Ear()
    with listening(ear), stage(DECODE):
        pass
    assert ear.counts() == {DECODE: 1}


def test_a_listener_whose_block_fails_is_told_no_more() -> None:
    ear = Ear()
    with pytest.raises(KeyError), listening(ear):
        raise KeyError
    with stage(DECODE):
        pass
    assert ear.heard == []


def test_a_stage_is_told_its_own_time_without_the_stages_inside_it(ear: Ear, clock: Clock) -> None:
    with stage(COMPUTE):
        clock.now_s += 1
        with stage(COPY_IN):
            clock.now_s += 10
            with stage(CROP):
                clock.now_s += 100
        clock.now_s += 1
        with stage(COPY_OUT):
            clock.now_s += 1000
    assert ear.heard == [(CROP, 100), (COPY_IN, 10), (COPY_OUT, 1000), (COMPUTE, 2)]


def test_a_stage_in_parts_is_told_once_without_what_came_between(ear: Ear, clock: Clock) -> None:
    compute = stage_in_parts(COMPUTE)
    with compute:
        clock.now_s += 1
        with stage(COPY_IN):
            clock.now_s += 10
    clock.now_s += 100
    with compute:
        clock.now_s += 2
    assert ear.heard == [(COPY_IN, 10)]
    compute.done()
    assert ear.heard == [(COPY_IN, 10), (COMPUTE, 3)]


def test_a_stage_that_an_error_ends_is_told_and_leaves_the_one_around_it_right(ear: Ear, clock: Clock) -> None:
    with stage(COMPUTE):
        with pytest.raises(ValueError, match="damaged"), stage(DECODE):
            clock.now_s += 5
            raise ValueError("damaged")
        clock.now_s += 1
    assert ear.heard == [(DECODE, 5), (COMPUTE, 1)]


def test_each_step_of_an_iterator_is_a_stage_and_its_users_time_is_not(ear: Ear, clock: Clock) -> None:
    def packets() -> Iterator[int]:
        for number in range(2):
            clock.now_s += 1
            yield number
        clock.now_s += 3

    for _ in timed(DEMUX, packets()):
        clock.now_s += 100
        with stage(DECODE):
            clock.now_s += 10
    assert ear.heard == [(DEMUX, 1), (DECODE, 10), (DEMUX, 1), (DECODE, 10), (DEMUX, 3)]


def test_a_step_that_fails_is_told_and_its_error_comes_through(ear: Ear, clock: Clock) -> None:
    def packets() -> Iterator[int]:
        clock.now_s += 1
        raise OSError("gone")
        yield 0

    with pytest.raises(OSError, match="gone"):
        list(timed(DEMUX, packets()))
    assert ear.heard == [(DEMUX, 1)]


def test_threads_do_not_nest_in_each_other(ear: Ear, clock: Clock) -> None:
    def decode() -> None:
        with stage(DECODE):
            clock.now_s += 10

    with stage(COMPUTE):
        thread = threading.Thread(target=decode)
        thread.start()
        thread.join()
        clock.now_s += 1
    assert ear.heard == [(DECODE, 10), (COMPUTE, 11)]


def test_all_threads_are_heard(ear: Ear) -> None:
    def work() -> None:
        for _ in range(500):
            with stage(CROP), stage(RESIZE):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ear.counts() == {CROP: 4000, RESIZE: 4000}


def classify(model: Path, source: Path) -> Classification:
    with Recognizer.open(model, device="cpu") as recognizer:
        return recognizer.classify(source, segments=4)


@pytest.mark.parametrize("name", ["seeking.mp4", "from-the-start.h264"])
def test_a_video_goes_through_all_stages(model: Path, tmp_path: Path, ear: Ear, name: str) -> None:
    source = write_clip(tmp_path / name, frames=40)
    assert classify(model, source).frames == 40
    counts = ear.counts()
    # All packets are read by the index, and again as far as they are decoded.
    assert counts[DEMUX] > 2 * 40
    assert counts[DECODE] > 4
    assert counts[COLOUR] >= counts[RESIZE] == 4
    assert counts[CROP] == 4 * 5
    assert counts[BATCH_WAIT] == 4
    assert counts[COMPUTE] == counts[AGGREGATE] == 4
    assert counts[FOR_FRAMES] >= 4
    assert counts[FOR_ROOM] == 4 + 1  # each frame is handed over, and the clip's end
    assert not counts.keys() & {COPY_IN, COPY_OUT}


def test_a_folder_of_pictures_goes_through_the_stages(model: Path, tmp_path: Path, ear: Ear) -> None:
    for number in range(1, 9):
        cv2.imwrite(str(tmp_path / f"img_{number:05}.png"), picture(number)[..., ::-1])
    assert classify(model, tmp_path).frames == 8
    counts = ear.counts()
    assert {name: counts[name] for name in (DEMUX, DECODE, COLOUR, RESIZE)} == dict.fromkeys(
        (DEMUX, DECODE, COLOUR, RESIZE), 4
    )


def test_a_frame_waits_from_when_it_is_ready_until_its_batch_is_submitted(
    model: Path, ear: Ear, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptsn.runtime.classify.batching.time.perf_counter", clock)
    frame = picture(0)[:40, :40]
    with open_engine(model, device="cpu") as engine, CropBatcher(engine, views="center") as batcher:
        for clip in range(engine.batch_size - 1):
            batcher.add(clip, frame, 1, ready_s=clock.now_s)
            clock.now_s += 1
        assert BATCH_WAIT not in ear.counts()
        batcher.add(9, frame, 1, ready_s=clock.now_s)
        batcher.add(10, frame, 1)  # who does not say since when a frame waits, is told nothing of it
        batcher.flush()
    waits = [own_s for name, own_s in ear.heard if name == BATCH_WAIT]
    assert waits == [float(s) for s in range(engine.batch_size - 1, -1, -1)]


@pytest.mark.parametrize("readable", [True, False])
def test_handing_over_anything_is_a_wait_for_room_and_no_decoding(
    tmp_path: Path, ear: Ear, clock: Clock, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    def resize(pixels: Frame, **_: object) -> Frame:
        clock.now_s += 1
        return pixels

    monkeypatch.setattr("pptsn.runtime.decoding.clips.time.perf_counter", clock)
    monkeypatch.setattr("pptsn.runtime.decoding.clips.resize_frame", resize)
    path = write_clip(tmp_path / "a.mp4", frames=8) if readable else tmp_path / "none.mp4"
    sources: list[Source] = [path, InputError("@list", "names nothing"), path]
    handed = []
    for item in clip_items(sources, tiny_spec(), segments=2, rule="centre"):
        handed.append(item)
        clock.now_s += 10  # until the next one is asked for
    ends = [item for item in handed if isinstance(item, ClipEnd)]
    assert len(handed) == (2 * (2 + 1) + 1 if readable else 3)
    assert [own_s for name, own_s in ear.heard if name == FOR_ROOM] == [10] * len(handed)
    took_ms = 2 * 1000 if readable else 0
    assert [end.decode_ms for end in ends] == [took_ms, 0, took_ms]
    assert [end.error is None for end in ends] == [readable, False, readable]


def test_copies_to_and_from_a_device_are_stages_of_their_own(model: Path, ear: Ear) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    bound = BoundSession(session, onnxruntime.OrtValue, Device("cpu"), tiny_spec())
    bound.run(np.zeros((3, 32, 32, 3), np.uint8))
    assert ear.counts() == {COPY_IN: 1, COPY_OUT: 1}
