"""The thread that feeds the engine, from the streams' queues to what their frames lead to."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pptsn.runtime.engines import Engine
from pptsn.runtime.stream.pipeline.inference import FrameInference, Inferred, Marked
from pptsn.runtime.stream.pipeline.queues import FrameQueues
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from pptsn.runtime.stream.pipeline.supervisor import QueueItem

_IDLE_S = 0.1


class EngineLoop(threading.Thread):
    """Takes frames from `queues`, in turn, through the engine, until `is_over` says so or `give_up` is set.

    deal: takes each inferred frame and each mark, in the order in which they came.  turn: called all the while,
    several times a second at least.  at_end: called last, with what the engine raised, or None.
    """

    def __init__(
        self,
        engine: Engine,
        queues: FrameQueues[QueueItem],
        settings: StreamSettings,
        *,
        deal: Callable[[Inferred | Marked], None],
        turn: Callable[[], None],
        is_over: Callable[[], bool],
        at_end: Callable[[BaseException | None], None],
    ) -> None:
        super().__init__(name="engine", daemon=True)
        self._engine, self._queues, self._settings = engine, queues, settings
        self._deal, self._turn, self._is_over, self._at_end = deal, turn, is_over, at_end
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
        settings = self._settings
        with FrameInference(self._engine, views=settings.views, max_wait_s=settings.max_wait_s) as inference:
            while not (self.give_up.is_set() or self._is_over()):
                self._take_one(inference)
                self._turn()

    def _take_one(self, inference: FrameInference) -> None:
        """Take one frame, or run what waits; then deal with what is done."""
        try:
            stream, item = self._queues.take(inference.wait_s(_IDLE_S))
        except TimeoutError:
            inference.flush()
        else:
            inference.add(stream, item)
        for done in inference.ready():
            self._deal(done)
