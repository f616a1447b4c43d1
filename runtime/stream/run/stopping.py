"""What ends a run from outside: signals, and the reader of standard output that has gone."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from pptsn.runtime.base.stopping import stop_event

# Everything has an end of its own before: an engine is given up first, and interrupted then; sinks may be slow.
_HURRY_S, _GRACE_S = 2.7, 10.0


def stop_signals() -> AbstractContextManager[threading.Event]:
    """Return what yields an event that the first Ctrl-C, SIGTERM or SIGHUP sets; another Ctrl-C ends the program.

    For the main thread; see `pptsn.runtime.base.stopping`.
    """
    return stop_event(hurry_s=_HURRY_S, grace_s=_GRACE_S)


def reader_watch() -> Callable[[], bool]:
    """Return a function that tells whether the reader of standard output (`| head`) has gone.  It never waits."""
    poll = select.poll()
    with suppress(OSError, ValueError):  # it is no file of the system: nobody reads it, or for good
        poll.register(sys.stdout.fileno(), 0)  # errors alone, which are told unasked
    return lambda: bool(poll.poll(0))
