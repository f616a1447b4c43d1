"""Frames of several streams on their way to the engine."""

from __future__ import annotations

import threading
import time

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.pipeline.queues import FrameQueues


def new(policy: str, *, depth: int = 2, streams: int = 1) -> FrameQueues[str]:
    queues: FrameQueues[str] = FrameQueues(depth=depth)
    for stream in range(streams):
        queues.open(stream, policy=policy)
    return queues


def drain(queues: FrameQueues[str]) -> list[tuple[int, str]]:
    taken = []
    while True:
        try:
            taken.append(queues.take(0))
        except TimeoutError:
            return taken


def test_newest_drops_what_waited_longest():
    queues = new("newest")
    assert [queues.put(0, frame) for frame in "abcd"] == [None, None, "a", "b"]
    assert drain(queues) == [(0, "c"), (0, "d")]


@pytest.mark.parametrize("policy", ["newest", "oldest"])
def test_a_queue_of_one_keeps_its_turn(policy: str):
    queues = new(policy, depth=1, streams=2)
    for frame in "abc":
        queues.put(0, frame)
    queues.put(1, "x")
    assert drain(queues) == [(0, "c" if policy == "newest" else "a"), (1, "x")]


def test_a_policy_may_change():
    queues = new("block", depth=1)
    queues.put(0, "a")
    threading.Timer(0.1, lambda: queues.set_policy(0, "newest")).start()
    assert queues.put(0, "b") == "a"
    queues.set_policy(7, "block")  # a stream that has gone


def test_oldest_drops_what_comes():
    queues = new("oldest")
    assert [queues.put(0, frame) for frame in "abcd"] == [None, None, "c", "d"]
    assert drain(queues) == [(0, "a"), (0, "b")]


def test_block_waits_for_room():
    queues = new("block")
    put: list[str] = []

    def fill() -> None:
        for frame in "abcd":
            assert queues.put(0, frame) is None
            put.append(frame)

    thread = threading.Thread(target=fill)
    thread.start()
    time.sleep(0.2)
    assert put == ["a", "b"]
    assert [queues.take(5) for _ in range(4)] == [(0, frame) for frame in "abcd"]
    thread.join(5)
    assert put == list("abcd")


def test_closing_a_stream_frees_who_waits_and_returns_what_waited():
    queues = new("block")
    queues.put(0, "a")
    queues.put(0, "b")
    returned: list[str | None] = []
    thread = threading.Thread(target=lambda: returned.append(queues.put(0, "c")))
    thread.start()
    time.sleep(0.05)
    assert queues.close(0) == ["a", "b"]
    thread.join(5)
    assert returned == ["c"]
    assert drain(queues) == []
    assert queues.put(0, "d") == "d"
    assert queues.close(0) == []


def test_streams_take_turns_however_much_one_sends():
    queues = new("block", depth=6, streams=3)
    for frame in "abcdef":
        queues.put(0, frame)
    queues.put(1, "x")
    queues.put(2, "y")
    queues.put(1, "z")
    order = "".join(frame for _, frame in drain(queues))
    assert order == "axybzcdef"


def test_the_end_of_a_session_stays_behind_its_frames_and_is_never_dropped():
    queues = new("newest")
    queues.put(0, "a")
    queues.put_end(0, "|")
    assert [queues.put(0, frame) for frame in "bcd"] == [None, "a", "b"]
    assert "".join(frame for _, frame in drain(queues)) == "|cd"


def test_take_waits_for_what_comes():
    queues = new("newest")
    threading.Timer(0.1, lambda: queues.put(0, "late")).start()
    assert queues.take(5) == (0, "late")
    with pytest.raises(TimeoutError):
        queues.take(0.05)


def test_unknown_policy_is_refused():
    with pytest.raises(UsageError, match="newest, oldest, block"):
        new("latest")
