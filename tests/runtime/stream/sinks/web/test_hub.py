"""Bounded, whatever comes."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from pptsn.runtime.stream.sinks.web.hub import BROWSERS, EVENTS, POINTS, SPACING_S, WAITING_CHUNKS, Hub, Mailbox
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline

SCORES = (0.5, 0.2, 0.1, 0.08, 0.06, 0.04, 0.02)


def test_a_mailbox_keeps_the_newest_and_counts_what_it_drops() -> None:
    mailbox = Mailbox()
    for number in range(WAITING_CHUNKS + 10):
        mailbox.put(number, b"%d," % number)
    assert len(mailbox) == WAITING_CHUNKS
    assert mailbox.dropped == 10
    taken = mailbox.take().split(b",")
    assert (taken[0], taken[-2]) == (b"10", b"%d" % (WAITING_CHUNKS + 9))
    assert mailbox.take() == b""


def test_a_newer_chunk_replaces_an_older_one_of_its_kind() -> None:
    mailbox = Mailbox()
    mailbox.put("health", b"old")
    mailbox.put("event", b"event")
    mailbox.put("health", b"new")
    assert mailbox.take() == b"eventnew"
    assert mailbox.dropped == 1


def test_no_more_browsers_are_let_in_than_may_watch_though_they_come_at_once() -> None:
    async def first_words(hub: Hub) -> list[bytes]:
        watching = [hub.watch() for _ in range(BROWSERS + 3)]
        words = await asyncio.gather(*(anext(browser, b"") for browser in watching))
        for browser in watching:
            await browser.aclose()
        return words

    hub = Hub(FakePipeline(["door"]), top=3)
    words = asyncio.run(first_words(hub))
    assert [bool(word) for word in words] == [True] * BROWSERS + [False] * 3
    assert hub.browsers == 0


def test_events_are_remembered_up_to_a_number() -> None:
    pipeline = FakePipeline(["door"])
    hub = Hub(pipeline, top=3)
    for _ in range(EVENTS + 5):
        hub.write(pipeline.start_event("door", "yoga"))
    events = hub.events()
    assert len(events) == EVENTS
    assert events[0]["number"] == EVENTS + 4


def test_scores_are_remembered_up_to_a_number_and_apart() -> None:
    pipeline = FakePipeline(["door"])
    hub = Hub(pipeline, top=3)
    for number in range(4 * POINTS):
        hub.write(pipeline.predict("door", SCORES, wall_time=1000 + number * SPACING_S / 2))
    points = hub.scores("door")["points"]
    assert len(points) == POINTS
    assert all(later[0] - earlier[0] >= SPACING_S - 0.01 for earlier, later in pairwise(points))


def test_a_clock_that_was_set_back_does_not_end_the_scores() -> None:
    pipeline = FakePipeline(["door"])
    hub = Hub(pipeline, top=3)
    hub.write(pipeline.predict("door", SCORES, wall_time=5000))
    hub.write(pipeline.predict("door", SCORES, wall_time=1000))
    assert [point[0] for point in hub.scores("door")["points"]] == [5000, 1000]


def test_streams_that_were_removed_are_forgotten() -> None:
    pipeline = FakePipeline(["a", "b", "c"])
    hub = Hub(pipeline, top=3)
    hub.write(pipeline.predict("a", SCORES))
    hub.write(pipeline.predict("b", SCORES))
    pipeline.remove("a")
    assert hub.scores("a")["points"]
    hub.write(pipeline.predict("c", SCORES))
    assert not hub.scores("a")["points"]
    assert hub.scores("b")["points"]
