import threading
import time
from collections.abc import Iterator

import pytest

from pptsn.runtime.workers.feed import Exhausted
from pptsn.runtime.workers.prefetch import Prefetcher
from tests.waiting import wait_until


def test_items_come_in_order_and_end() -> None:
    with Prefetcher(range(10), depth=2) as prefetcher:
        assert [prefetcher.get() for _ in range(10)] == list(range(10))
        with pytest.raises(Exhausted):
            prefetcher.get()


def test_it_runs_ahead_by_its_depth_and_no_further() -> None:
    made = []

    def items() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    with Prefetcher(items(), depth=3) as prefetcher:
        prefetcher.get()
        # One taken, three queued, one made and waiting for room.
        wait_until(lambda: len(made) == 5)
        time.sleep(0.1)
        assert len(made) == 5


def test_an_error_reaches_the_consumer_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with Prefetcher(items(), depth=2) as prefetcher:
        assert prefetcher.get() == 1
        with pytest.raises(OSError, match="gone"):
            prefetcher.get()


def test_leaving_early_ends_the_thread_and_closes_the_iterator() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    with Prefetcher(items(), depth=1) as prefetcher:
        prefetcher.get()
    assert closed.is_set()
    assert threading.active_count() == before


def test_waiting_has_an_end() -> None:
    release = threading.Event()

    def items() -> Iterator[int]:
        release.wait(10)
        yield 1

    with Prefetcher(items(), depth=1) as prefetcher:
        with pytest.raises(TimeoutError):
            prefetcher.get(0.01)
        release.set()
        assert prefetcher.get() == 1
