"""One connection to a source, by what its capture process says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.messages import StreamNotice
from pptsn.runtime.stream.capture.protocol import CaptureJob, Counts, Ended, Opened, Progress, Remark, Sampled
from pptsn.runtime.stream.health.stats import StreamStats
from pptsn.runtime.stream.pipeline import session as session_module
from pptsn.runtime.stream.pipeline.queues import FrameQueues, QueueItem, WaitingFrame
from pptsn.runtime.stream.pipeline.session import Session, StreamReports
from pptsn.runtime.stream.sources.uri import parse_source


class FakeProcess:
    """A capture process whose memory is told by the slots that were given back."""

    def __init__(self) -> None:
        self.freed: list[int] = []

    def pixels(self, message: Sampled) -> np.ndarray:
        return np.full((message.height, message.width, 3), message.slot, np.uint8)

    def free(self, message: Sampled) -> None:
        self.freed.append(message.slot)


class Listener:
    """A session, with all that it changes."""

    def __init__(self, source: str = "rtsp://door/1", *, policy: str | None = "newest") -> None:
        uri = parse_source(source)
        job = CaptureJob(
            uri=uri,
            stream="door",
            session=2,
            step_s=0.5,
            max_gap_s=2.0,
            short_side=8,
            resize_rule="fixed_ratio",
            timeout_s=3.0,
            realtime=False,
            waits=None,
            frozen_after_s=0.0,
        )
        self.queues: FrameQueues[QueueItem] = FrameQueues(depth=2)
        self.queues.open(0, policy="newest")
        self.stats = StreamStats("door", uri.display, live=True)
        self.notices: list[StreamNotice] = []
        reports = StreamReports("door", uri.display, self.stats, self.notices.append)
        self.session = Session(job, self.queues, 0, policy=policy, stats=self.stats, reports=reports)
        self.process = FakeProcess()

    def hear(self, *messages: Any, discard: bool = False) -> None:
        for message in messages:
            self.session.take(message, self.process, discard=discard)  # type: ignore[arg-type]

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(notice.state, notice.detail) for notice in self.notices]


def sampled(
    slot: int, *, size: tuple[int, int] = (64, 48), frozen: bool = False, epoch: int = 0, anew: str = ""
) -> Sampled:
    stamp = FrameStamp("door", 2, epoch, slot, slot / 2, 1000.0, 1.0, 1.1)
    return Sampled(
        slot=slot,
        inline=b"",
        height=8,
        width=10,
        stamp=stamp,
        source_size=size,
        frozen=frozen,
        counts=Counts(slot + 1, 0, 0),
        anew=anew,
    )


LIVE = Opened(live=True, waits=False, frame_rate=25.0, duration_s=None)


def test_frames_are_queued_with_their_stamps_and_give_their_memory_back():
    listener = Listener()
    message = sampled(3)
    listener.hear(LIVE, message)
    stream, frame = listener.queues.take(0)
    assert isinstance(frame, WaitingFrame)
    assert (stream, frame.stamp) == (0, message.stamp)
    assert frame.pixels.shape == (8, 10, 3)
    assert frame.pixels[0, 0, 0] == 3
    assert listener.process.freed == []
    frame.release()
    assert listener.process.freed == [3]


def test_a_frame_that_finds_no_room_is_counted_and_its_memory_given_back():
    listener = Listener()
    listener.hear(LIVE, *(sampled(slot) for slot in range(4)))
    assert listener.process.freed == [0, 1]
    health = listener.stats.health()
    assert (health.sampled, health.dropped) == (4, 2)


def test_frames_that_nobody_wants_any_more_are_given_back_at_once():
    listener = Listener()
    listener.hear(LIVE, sampled(0), discard=True)
    assert listener.process.freed == [0]
    assert listener.session.frames == 0
    with pytest.raises(TimeoutError):
        listener.queues.take(0)


def test_some_remarks_are_not_said_again_of_a_later_connection():
    listener = Listener()
    listener.hear(LIVE, Remark("no GPU", once=True), Remark("lost"), Remark("no GPU", once=True), Remark("lost"))
    assert [detail for _, detail in listener.said] == ["no GPU", "lost", "lost"]


def test_what_changes_is_said_once():
    listener = Listener()
    listener.hear(LIVE, sampled(0), sampled(1), sampled(2, frozen=True), sampled(3, frozen=True), sampled(4))
    frozen = ("frozen", "the picture does not change")
    assert listener.said == [("live", "64x48"), frozen, ("live", "64x48")]


def test_a_new_stretch_of_time_is_remarked_upon_with_its_reason():
    listener = Listener()
    listener.hear(
        LIVE,
        sampled(0),
        sampled(0, epoch=1, size=(32, 24)),
        sampled(0, epoch=2, size=(32, 24), anew="no frame for 12 s"),
    )
    assert [detail for _, detail in listener.said[1:]] == [
        "the picture's size changed from 64x48 to 32x24; the window begins anew",
        "no frame for 12 s; the window begins anew",
    ]


def test_damage_is_reported_at_once_and_then_at_the_end():
    listener = Listener()
    damage = [Progress(Counts(10, errors, 0)) for errors in (0, 1, 2, 5)]
    listener.hear(LIVE, sampled(0), *damage, Ended(Counts(20, 7, 0)))
    assert [detail for _, detail in listener.said[1:]] == [
        "1 frame damaged or lost in decoding",
        "6 frames damaged or lost in decoding",
    ]
    assert listener.session.over


@pytest.mark.parametrize(
    ("source", "opened", "cause"),
    [
        ("rtsp://door/1", False, "no answer for 3 s"),
        ("rtsp://door/1", True, "no frame for 3 s"),
        ("clip.mp4", False, "no answer for 3 s"),
        ("clip.mp4", True, ""),  # a disk may sleep
    ],
)
def test_silence_is_a_failure_where_a_source_cannot_be_that_slow(
    source: str, opened: bool, cause: str, monkeypatch: pytest.MonkeyPatch
):
    listener = Listener(source)
    if opened:
        listener.hear(LIVE)
    listener.session.fail_if_silent(float("inf"))
    assert not listener.session.over
    now_s = session_module.time.monotonic()
    monkeypatch.setattr(session_module.time, "monotonic", lambda: now_s + 60)
    listener.session.fail_if_silent(float("inf"))
    assert (listener.session.over, listener.session.ended.cause) == (bool(cause), cause)


def test_one_that_was_asked_to_stop_is_not_waited_for():
    listener = Listener("clip.mp4")
    listener.hear(LIVE)
    listener.session.fail_if_silent(session_module.time.monotonic() - 1)
    assert listener.session.over


@pytest.mark.parametrize(
    ("policy", "waits", "chosen"), [(None, True, "block"), (None, False, "newest"), ("oldest", True, "oldest")]
)
def test_the_policy_is_the_users_or_what_suits_the_source(
    policy: str | None, waits: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
):
    listener = Listener(policy=policy)
    policies: list[str] = []
    monkeypatch.setattr(listener.queues, "set_policy", lambda stream, policy: policies.append(policy))
    listener.hear(Opened(live=not waits, waits=waits, frame_rate=None, duration_s=None))
    assert policies == [chosen]


@pytest.mark.parametrize("hours", [0, 1, 24])
def test_a_source_that_never_comes_back_is_told_again_ever_more_seldom(hours: int) -> None:
    now_s = 1000.0
    notices: list[StreamNotice] = []
    stats = StreamStats("door", "rtsp://door/1", live=True)
    reports = StreamReports("door", "rtsp://door/1", stats, notices.append, clock_s=lambda: now_s)
    for _ in range(900 * hours + 1):  # a try every 4 s
        reports.retrying("refused")
        now_s += 4
    told = [1, 2, 4, 8, 16, 32, 64, *(64 + 60 * hour for hour in range(1, 24))]
    expected = ["refused", *(f"refused (for {minutes} min)" for minutes in told if minutes <= 60 * hours)]
    assert [(notice.state, notice.detail) for notice in notices] == [("retrying", text) for text in expected]
    assert stats.health().detail == "refused"


def test_what_is_told_again_is_told_at_once_where_the_cause_has_changed_or_it_had_worked() -> None:
    now_s = 0.0
    notices: list[StreamNotice] = []
    reports = StreamReports("door", "", StreamStats("door", "", live=True), notices.append, clock_s=lambda: now_s)
    for state, cause in (("retrying", "a"), ("retrying", "b"), ("live", ""), ("retrying", "b"), ("retrying", "b")):
        if state == "retrying":
            reports.retrying(cause)
        else:
            reports.state(state, cause)
        now_s += 50
    assert [notice.detail for notice in notices] == ["a", "b", "", "b"]
