"""Frames of several streams on their way to the engine."""

from __future__ import annotations

import threading
import time

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.pipeline.queues import FrameQueues
from tests.waiting import wait_until


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
    assert [queues.put(0, frame) for frame in "abcd"] == [[], [], ["a"], ["b"]]
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
    assert queues.put(0, "b") == ["a"]
    queues.set_policy(7, "block")  # a stream that has gone


def test_oldest_drops_what_comes():
    queues = new("oldest")
    assert [queues.put(0, frame) for frame in "abcd"] == [[], [], ["c"], ["d"]]
    assert drain(queues) == [(0, "a"), (0, "b")]


@pytest.mark.parametrize("policy", ["newest", "oldest"])
@pytest.mark.parametrize("late", range(6))
def test_frames_that_are_not_due_yet_take_no_room(policy: str, late: int):
    queues = new(policy)
    now_s = time.monotonic()
    due = [now_s - 1] * late + [now_s + 60] * 20
    dropped = [each for number, due_s in enumerate(due) for each in queues.put(0, str(number), due_s=due_s)]
    for_those_to_come = 0 if late < 2 else 1 if policy == "newest" else 20
    assert len(dropped) == max(0, late - 2) + for_those_to_come


def test_what_has_become_late_meanwhile_goes_at_once(monkeypatch: pytest.MonkeyPatch):
    queues = new("newest")
    due_s = time.monotonic() + 60
    for frame in "abcdef":
        assert queues.put(0, frame, due_s=due_s) == []
    monkeypatch.setattr("pptsn.runtime.stream.pipeline.queues.time.monotonic", lambda: due_s + 1)
    assert queues.put(0, "g", due_s=due_s + 60) == list("abcde")
    assert drain(queues) == [(0, "f"), (0, "g")]


@pytest.mark.parametrize(("policy", "dropped"), [("newest", "abc"), ("oldest", "def")])
def test_bytes_are_bounded_whether_frames_are_due_or_not(policy: str, dropped: str):
    queues: FrameQueues[str] = FrameQueues(depth=2, most_bytes=30)
    queues.open(0, policy=policy)
    due_s = time.monotonic() + 60
    lost = [each for frame in "abcdef" for each in queues.put(0, frame, due_s=due_s, size=10)]
    assert len(drain(queues)) == 3
    assert "".join(lost) == dropped
    assert queues.put(0, "huge", due_s=due_s, size=1000) == []  # alone, any frame has room


def test_block_waits_for_room():
    queues = new("block")
    put: list[str] = []

    def fill() -> None:
        for frame in "abcd":
            assert queues.put(0, frame) == []
            put.append(frame)

    thread = threading.Thread(target=fill)
    thread.start()
    wait_until(lambda: put == ["a", "b"])
    time.sleep(0.1)
    assert put == ["a", "b"]
    assert [queues.take(5) for _ in range(4)] == [(0, frame) for frame in "abcd"]
    thread.join(5)
    assert put == list("abcd")


def test_closing_a_stream_frees_who_waits_and_returns_what_waited():
    queues = new("block")
    queues.put(0, "a")
    queues.put(0, "b")
    returned: list[str] = []
    thread = threading.Thread(target=lambda: returned.extend(queues.put(0, "c")))
    thread.start()
    time.sleep(0.05)
    assert queues.close(0) == ["a", "b"]
    thread.join(5)
    assert returned == ["c"]
    assert drain(queues) == []
    assert queues.put(0, "d") == ["d"]
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
    assert [queues.put(0, frame) for frame in "bcd"] == [[], ["a"], ["b"]]
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
