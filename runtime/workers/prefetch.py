"""Running an iterator ahead in a thread, by a bounded number of items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from typing import TypeVar

from pptsn.runtime.workers.feed import Exhausted, Feed

T = TypeVar("T")


class Prefetcher(Feed[T]):
    """Iterates `items` in a thread of its own, at most `depth` items ahead of `get`.

    Closing it ends the thread at the iterator's next item; one that does not come to it is left behind.
    """

    # How long closing waits for the thread.
    _LEAVE_S = 1.0

    # How often a thread that waits for room looks whether it should stop instead.
    _POLL_S = 0.1

    def __init__(self, items: Iterable[T], *, depth: int) -> None:
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(items,), name="prefetch", daemon=True)
        self._thread.start()

    def _run(self, items: Iterable[T]) -> None:
        ending: BaseException = Exhausted()
        try:
            for item in items:
                if not self._put((item, None)):
                    return
        except BaseException as error:  # whatever it is, the consumer shall see it
            ending = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        self._put((None, ending))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        """Queue `entry`; False where the consumer has gone."""
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=self._POLL_S)
                return True
            except queue.Full:
                continue
        return False

    def get(self, timeout_s: float | None = None) -> T:
        """Return the next item, see Feed."""
        try:
            item, ending = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if ending is not None:
            raise ending
        return item  # type: ignore[return-value]  # an entry without an ending has an item

    def close(self) -> None:
        """End the thread and wait for it, but not for ever."""
        self.leave()
        self._thread.join(self._LEAVE_S)

    def leave(self) -> None:
        """Have the thread end at the iterator's next item, and do not wait for it."""
        self._stop.set()
