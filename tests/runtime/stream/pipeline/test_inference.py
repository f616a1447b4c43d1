"""Frames of several streams through one engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.analysis import InferredFrame
from pptsn.runtime.stream.pipeline.inference import FrameInference
from pptsn.runtime.stream.pipeline.queues import Outcome, SessionEnd, WaitingFrame
from tests.models import tiny_spec, write_tiny_model

SIDE = tiny_spec().short_side


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(write_tiny_model(tmp_path / "model.onnx"))


def frame_of(slot: int, released: list[int]) -> WaitingFrame:
    pixels = np.full((SIDE, SIDE, 3), 10 * slot, np.uint8)
    stamp = FrameStamp("s", 0, 0, slot, 0.0, 0.0, 0.0, 0.0)
    return WaitingFrame(pixels, stamp, lambda: released.append(slot))


def test_what_is_done_comes_in_order_with_its_stream_and_stamp(engine: Engine):
    released: list[int] = []
    end = SessionEnd(Outcome("ended", ""))
    with engine, FrameInference(engine, views="center", max_wait_s=60) as inference:
        inference.add(7, frame_of(0, released))
        inference.add(9, frame_of(1, released))
        inference.add(7, end)
        assert released == [0, 1]  # the memory is given back before the engine has run
        assert list(inference.ready()) == []
        inference.flush()
        done = list(inference.ready())
    assert [stream for stream, _ in done] == [7, 9, 7]
    first, second = done[0][1], done[1][1]
    assert isinstance(first, InferredFrame)
    assert isinstance(second, InferredFrame)
    assert (first.stamp.slot, second.stamp.slot) == (0, 1)
    assert first.queued_s <= first.inferred_s
    assert first.logits.shape == (tiny_spec().classes,)
    assert not np.array_equal(first.logits, second.logits)
    assert done[2][1] is end


def test_the_end_of_a_session_alone_needs_no_engine(engine: Engine):
    with engine, FrameInference(engine, views="center", max_wait_s=60) as inference:
        inference.add(3, SessionEnd())
        assert list(inference.ready()) == [(3, SessionEnd())]
        assert inference.wait_s(0.5) == 0.5


def test_a_batch_waits_no_longer_than_it_should(engine: Engine):
    with engine, FrameInference(engine, views="center", max_wait_s=0.2) as inference:
        assert inference.wait_s(5) == 5
        inference.add(0, frame_of(0, []))
        assert 0 < inference.wait_s(5) <= 0.2
        inference.flush()
        assert inference.wait_s(5) == 5
