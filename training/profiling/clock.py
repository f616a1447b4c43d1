"""A clock that says which part of the work time goes to: code names its part, and a clock that runs counts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias

Part: TypeAlias = Literal[
    "data", "copy", "forward", "teacher", "backward", "ranks", "optimizer", "validation", "checkpoint"
]
OTHER = "other"
Mark: TypeAlias = "Callable[[str], AbstractContextManager[Any]]"

_running: ContextVar[PartClock | None] = ContextVar("_running", default=None)


def spent_on(name: Part) -> AbstractContextManager[None]:
    """Return the context of a part of the work; within another it is counted for itself, and not for that one."""
    clock = _running.get()
    return nullcontext() if clock is None else clock.counting(name)


class PartClock:
    """Counts seconds by part, from `start` to `stop`; their sum is all of the time between.

    settle: waits until the device has done what it was given; work that runs on by itself belongs to its own part.
    mark: gives a context that marks a part in a trace.
    """

    def __init__(
        self,
        *,
        settle: Callable[[], None] | None = None,
        mark: Mark = nullcontext,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settle, self._mark, self._now = settle or (lambda: None), mark, now
        self.seconds: dict[str, float] = {}
        self._part: str = OTHER
        self._since = 0.0

    def start(self) -> None:
        """Begin, with what is no part; from now on `spent_on` counts here."""
        self._settle()
        self._since = self._now()
        _running.set(self)

    def stop(self) -> None:
        """Count no more; a second call does nothing."""
        self._go_over_to(OTHER)
        if _running.get() is self:
            _running.set(None)

    @contextmanager
    def counting(self, name: str) -> Iterator[None]:
        """Count the block for `name`."""
        before = self._part
        self._go_over_to(name)
        try:
            with self._mark(name):
                yield
        finally:
            self._go_over_to(before)

    def _go_over_to(self, name: str) -> None:
        if _running.get() is not self:
            return
        self._settle()
        now = self._now()
        self.seconds[self._part] = self.seconds.get(self._part, 0.0) + now - self._since
        self._part, self._since = name, now
