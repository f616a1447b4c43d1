"""What ends a run from outside: signals, and the reader of standard output that has gone."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Wrappers such as `timeout` signal twice, to the process and to its group, within milliseconds.
_SECOND_AFTER_S = 1.0
_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C, SIGTERM or SIGHUP sets; another, a second later, ends the program.

    A SIGHUP that is ignored, as `nohup` has it, stays so.  For the main thread.
    """
    stop = threading.Event()
    first_s = 0.0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal first_s
        if not stop.is_set():
            first_s = time.monotonic()
            stop.set()
        elif time.monotonic() - first_s >= _SECOND_AFTER_S:
            _end_at_once(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number: int) -> None:
    """Die of the signal; the cursor, which a live table hides, comes back first."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError):  # it has gone
            if stream is not None and stream.isatty():
                os.write(stream.fileno(), _SHOW_CURSOR)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def reader_watch() -> Callable[[], bool]:
    """Return a function that tells whether the reader of standard output (`| head`) has gone.  It never waits."""
    poll = select.poll()
    with suppress(OSError, ValueError):  # it is no file of the system: nobody reads it, or for good
        poll.register(sys.stdout.fileno(), 0)  # errors alone, which are told unasked
    return lambda: bool(poll.poll(0))
