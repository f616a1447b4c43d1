"""Frames of any streams through one engine: batches filled across streams, logits handed out frame by frame."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.classify.batching import CHECK_MODEL, NOT_FINITE, CropBatcher
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames.stamp import FrameStamp
from pptsn.runtime.stream.actions.analysis import InferredFrame
from pptsn.runtime.stream.pipeline.queues import FrameQueues, Outcome, QueueItem, SessionEnd, WaitingFrame

# How long the engine's thread waits for a frame before it looks up.
_IDLE_S = 0.1

Done = InferredFrame | SessionEnd


@dataclass(frozen=True)
class _Pending:
    """What was taken from a queue.  number: of the frame in the batcher."""

    stream: int
    item: FrameStamp | SessionEnd
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
        """Take a frame, whose memory is given back at once, or the end of a session; may run the engine."""
        now_s = time.monotonic()
        number, self._count = self._count, self._count + 1
        if isinstance(item, WaitingFrame):
            try:
                self._batcher.add(number, item.pixels, 1)
            finally:
                item.release()
            self._pending.append(_Pending(stream, item.stamp, number, now_s))
        else:
            self._pending.append(_Pending(stream, item, number, now_s))
        if not self._batcher.waiting_crops:
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = now_s

    def flush(self) -> None:
        """Run the engine on what waits and collect all that is in flight."""
        self._batcher.flush()
        self._waiting_since_s = None

    def ready(self) -> Iterator[tuple[int, Done]]:
        """Yield what is done, with its stream, in the order in which it came."""
        while self._pending and self._batcher.is_complete(self._pending[0].number):
            pending = self._pending.popleft()
            if isinstance(pending.item, SessionEnd):
                yield pending.stream, pending.item
                continue
            gathered = self._batcher.take(pending.number)
            if gathered is None:
                continue
            if not gathered.is_finite:
                yield pending.stream, SessionEnd(Outcome("failed", f"{NOT_FINITE}; {CHECK_MODEL}", 1))
            else:
                logits = gathered.total / gathered.weight
                yield pending.stream, InferredFrame(pending.item, logits, pending.queued_s, time.monotonic())

    def close(self) -> None:
        """Give the engine's batches back."""
        self._batcher.close()


class EngineLoop(threading.Thread):
    """The engine's thread: takes what waits in `queues`, in turn, until `is_over` says so or `give_up` is set.

    views, max_wait_s: of FrameInference.  on_done: takes what is done, with its stream, in the order in which it
    came.  turn: called all the while, several times a second at least.  at_end: called last, with what the engine
    raised, or None.
    """

    def __init__(
        self,
        engine: Engine,
        queues: FrameQueues[QueueItem],
        *,
        views: str,
        max_wait_s: float,
        on_done: Callable[[int, Done], None],
        turn: Callable[[], None],
        is_over: Callable[[], bool],
        at_end: Callable[[BaseException | None], None],
    ) -> None:
        super().__init__(name="engine", daemon=True)
        self._engine, self._queues, self._views, self._max_wait_s = engine, queues, views, max_wait_s
        self._on_done, self._turn, self._is_over, self._at_end = on_done, turn, is_over, at_end
        self.give_up = threading.Event()

    def run(self) -> None:
        """Work until the end."""
        error: BaseException | None = None
        try:
            self._work()
        except BaseException as raised:  # whatever it is, the pipeline shall hear of it
            error = raised
        self._at_end(error)

    def _work(self) -> None:
        with FrameInference(self._engine, views=self._views, max_wait_s=self._max_wait_s) as inference:
            while not (self.give_up.is_set() or self._is_over()):
                self._take_one(inference)
                self._turn()

    def _take_one(self, inference: FrameInference) -> None:
        """Take one frame, or run what waits; then hand on what is done."""
        try:
            stream, item = self._queues.take(inference.wait_s(_IDLE_S))
        except TimeoutError:
            inference.flush()
        else:
            inference.add(stream, item)
        for number, done in inference.ready():
            self._on_done(number, done)
