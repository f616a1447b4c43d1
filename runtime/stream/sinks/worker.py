"""Running a sink in a thread of its own, behind a bounded queue, so that it never holds the pipeline."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.health.snapshots import SinkHealth
from pptsn.runtime.stream.sinks.base import Choosy, Interruptible, Sink

# Messages that wait for a slow sink; at 30 predictions a second some two minutes.
QUEUE_MESSAGES = 4096
# How often a sink may do what is due, whether messages come or not.
_IDLE_S = 0.2
# What an interrupted sink has left of the time for closing: a second, which it may take, and a little more.
_INTERRUPTED_S = 1.3
# A sink that fails now and then, or in ever new ways, is reported at most this often.
_REPORT_EVERY_S = 30.0


class SinkWorker:
    """Hands messages to `sink`.  `put` returns at once; where the queue is full, the oldest message goes.

    report: called from the worker's thread with a line about a failure, and about its end.  A failure that stays
    the same is reported once.
    """

    def __init__(self, sink: Sink, *, report: Callable[[str], None], queue_messages: int = QUEUE_MESSAGES) -> None:
        self._sink = sink
        self._waiting: deque[Message] = deque()
        self._limit = queue_messages
        self._changed = threading.Condition()
        self._closing = False
        self._written = self._dropped = self._failed = 0
        self._write_trouble = _Trouble(sink.name, report)
        self._idle_trouble = _Trouble(sink.name, report)
        self._idle_due_s = float("-inf")
        self._interruption: threading.Timer | None = None
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        """Open the sink, in the calling thread, and start; raises what `Sink.open` raises."""
        self._sink.open()
        self._thread.start()

    def put(self, message: Message) -> None:
        """Queue `message`."""
        if isinstance(self._sink, Choosy) and not self._sink.wants(message):
            return
        with self._changed:
            if self._closing:
                self._dropped += 1
                return
            if len(self._waiting) == self._limit:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(message)
            self._changed.notify()

    def health(self) -> SinkHealth:
        """Return how the sink is doing."""
        with self._changed:
            error = self._write_trouble.text or self._idle_trouble.text
            return SinkHealth(
                self._sink.name,
                self._written,
                self._dropped,
                self._failed,
                error,
                last_error=self._write_trouble.last or self._idle_trouble.last,
                keeps_results=self._sink.keeps_results,
            )

    def finish(self, *, timeout_s: float) -> None:
        """Take no more messages, and begin to write what waits and to close the sink; returns at once.

        For ending several workers at the same time; `close` does it as well.  A sink that waits for something is
        interrupted when little of timeout_s is left.
        """
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify()
        if isinstance(self._sink, Interruptible):
            self._interruption = threading.Timer(max(0.0, timeout_s - _INTERRUPTED_S), self._sink.interrupt)
            self._interruption.daemon = True
            self._interruption.start()

    def close(self, *, timeout_s: float) -> bool:
        """Write what waits and close the sink; False where it was not done in time and is left to itself.

        What still waits then is counted as dropped.
        """
        self.finish(timeout_s=timeout_s)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if self._interruption is not None and not self._thread.is_alive():
            self._interruption.cancel()
        with self._changed:
            self._dropped += len(self._waiting)
            self._waiting.clear()
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            message, done = self._next()
            if done:
                break
            if message is not None:
                self._write(message)
            if time.monotonic() >= self._idle_due_s:
                self._attempt(self._sink.idle, self._idle_trouble)
                self._idle_due_s = time.monotonic() + _IDLE_S
        if not self._attempt(self._sink.close, self._idle_trouble):
            self._count(written=False)

    def _next(self) -> tuple[Message | None, bool]:
        """Wait for a message, or until `idle` is due; return the message, and whether all is done."""
        with self._changed:
            if not self._waiting and not self._closing:
                self._changed.wait(max(0.0, self._idle_due_s - time.monotonic()))
            if self._waiting:
                return self._waiting.popleft(), False
            return None, self._closing

    def _write(self, message: Message) -> None:
        self._count(written=self._attempt(lambda: self._sink.write(message), self._write_trouble))

    def _count(self, *, written: bool) -> None:
        with self._changed:
            self._written += written
            self._failed += not written

    def _attempt(self, action: Callable[[], None], trouble: _Trouble) -> bool:
        try:
            action()
        # The last resort of a thread that runs for weeks: a fault of one message must not silence the sink.
        except Exception as error:
            trouble.note(_text_of(self._sink.name, error))
            return False
        trouble.end()
        return True


class _Trouble:
    """What is wrong with a sink at present, and when to say so.

    text: "" where nothing is; last: what was wrong last, "" where nothing ever was.
    """

    def __init__(self, name: str, report: Callable[[str], None]) -> None:
        self.text = self.last = ""
        self._name = name
        self._report = report
        self._reported = ""
        self._reported_s = float("-inf")

    def note(self, text: str) -> None:
        """Take note of a failure, and report it if it is news."""
        self.text = self.last = text
        now_s = time.monotonic()
        if text != self._reported and now_s - self._reported_s >= _REPORT_EVERY_S:
            self._reported, self._reported_s = text, now_s
            self._say(text)

    def end(self) -> None:
        """Take note of a success, and report it if a failure was reported."""
        self.text = ""
        if self._reported:
            self._reported = ""
            self._say(f"{self._name}: works again")

    def _say(self, line: str) -> None:
        with suppress(OSError):  # standard error may be gone as well; the sink goes on all the same
            self._report(line)


def _text_of(name: str, error: Exception) -> str:
    if isinstance(error, PptsnError):
        return str(error)
    if isinstance(error, OSError):
        return f"{name}: {error.strerror or error}"
    return f"{name}: unexpected {type(error).__name__}: {error}"
