"""Saying things on standard error without waiting for who reads it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

_MOST_WAITING = 1000


class Reporter:
    """Prints in a thread of its own: a terminal that is stopped (Ctrl-S) stops nothing else.

    print_line: prints one line.
    """

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print_line = print_line
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Print `text`, soon; what a reader that has stopped leaves no room for is lost."""
        self.do(lambda: self._print_line(text))

    def do(self, action: Callable[[], None]) -> None:
        """Run `action`, which prints, after what was given before."""
        with suppress(queue.Full):
            self._waiting.put_nowait(action)

    def close(self, timeout_s: float) -> bool:
        """Print what waits; return whether that was done in time."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (action := self._waiting.get()) is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more
                action()
