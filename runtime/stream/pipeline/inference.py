"""Frames of any streams through one engine: batches filled across streams, logits handed out frame by frame."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.engines import Engine
from pptsn.runtime.stream.pipeline.supervisor import QueueItem, SessionOver, WaitingFrame


@dataclass(frozen=True, eq=False)
class Inferred:
    """The mean logits (C,) float64 over the crops of one frame, and when its stages ended; of a stream.

    frame: its `pixels` are no longer to be read.
    """

    stream: int
    frame: WaitingFrame
    logits: npt.NDArray[np.float64]
    queued_s: float
    inferred_s: float


@dataclass(frozen=True)
class Marked:
    """A mark, handed out in its place between the frames."""

    stream: int
    mark: SessionOver


@dataclass(frozen=True)
class _Pending:
    stream: int
    item: QueueItem
    number: int
    queued_s: float


class FrameInference(Closing):
    """Fills the engine's batches with the crops of frames as they come.  For one thread.

    views: the crops of each frame.  max_wait_s: how long a batch waits to be filled.
    """

    def __init__(self, engine: Engine, *, views: str, max_wait_s: float) -> None:
        self._batcher = CropBatcher(engine, views=views)
        self._max_wait_s = max_wait_s
        self._pending: deque[_Pending] = deque()
        self._count = 0
        self._waiting_since_s: float | None = None

    def wait_s(self, idle_s: float) -> float:
        """Return how long to wait for another frame before `flush` is due; `idle_s` where nothing is under way."""
        if self._waiting_since_s is not None:
            return max(0.0, self._waiting_since_s + self._max_wait_s - time.monotonic())
        return 0.0 if self._batcher.in_flight else idle_s

    def add(self, stream: int, item: QueueItem) -> None:
        """Take a frame, whose memory is given back at once, or a mark; may run the engine."""
        now_s = time.monotonic()
        number, self._count = self._count, self._count + 1
        if isinstance(item, WaitingFrame):
            try:
                self._batcher.add(number, item.pixels, 1)
            finally:
                item.release()
        self._pending.append(_Pending(stream, item, number, now_s))
        if not self._batcher.waiting_crops:
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = now_s

    def flush(self) -> None:
        """Run the engine on what waits and collect all that is in flight."""
        self._batcher.flush()
        self._waiting_since_s = None

    def ready(self) -> Iterator[Inferred | Marked]:
        """Yield what is done, in the order in which it came."""
        while self._pending and self._batcher.is_complete(self._pending[0].number):
            pending = self._pending.popleft()
            if isinstance(pending.item, SessionOver):
                yield Marked(pending.stream, pending.item)
                continue
            gathered = self._batcher.take(pending.number)
            if gathered is not None:
                logits = gathered.total / gathered.weight
                yield Inferred(pending.stream, pending.item, logits, pending.queued_s, time.monotonic())

    def close(self) -> None:
        """Give the engine's batches back."""
        self._batcher.close()
