"""How a program is told to stop, by Ctrl-C, SIGTERM or SIGHUP, and how it ends: in order, or else at once.

    with stoppable() as stop:
        work()

The first signal raises `Stopped`, a KeyboardInterrupt, in the main thread, wherever that is in Python: SIGTERM
undoes what Ctrl-C undoes. The main thread may be in a call that does not return, so another one watches: first
it has such calls interrupted (`when_hurried`); then, `GRACE_S` after the signal, it ends the process, having
done what must be done (`last_act`) and removed its temporary files. A second Ctrl-C ends it at once; further
SIGTERMs do nothing: launchers do that.

The exit code is 128 and the number of the signal, as shells have it, unless `stopped_with` says another.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from pptsn.runtime.base.temporary import remove_temporaries

# What is interrupted only where it does not end by itself, and when all is over: seconds after the first signal.
HURRY_S, GRACE_S = 1.2, 2.4
# Wrappers such as `timeout` signal twice, to the process and to its group, within milliseconds.
_SECOND_AFTER_S = 0.2
# How long what is done at the very last may take.
_LAST_ACTS_S = 0.3
_POLL_S = 0.05
_SHOW_CURSOR = b"\x1b[?25h"

_hurried: list[Callable[[], object]] = []
_last_acts: list[Callable[[], object]] = []
_active: _Watch | None = None


class Stopped(KeyboardInterrupt):
    """The program was told to stop, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """What is known of the end of the program.

    number: of the signal that told it to stop; None before.
    heeded: whether it then ended as if by itself, so that its exit code is its own.
    code: the exit code of what was stopped, where it is not 128 and the signal's number.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.heeded = False
        self.code: int | None = None
        self.said = False
        self.kept = ""

    @property
    def exit_code(self) -> int | None:
        """The exit code of a program that was stopped; None where it was not, or ended as if by itself."""
        if self.number is None or self.heeded:
            return None
        return 128 + self.number if self.code is None else self.code


class _Watch:
    """Handles the signals in the main thread, and watches from another that they are heeded."""

    def __init__(self) -> None:
        self.stop = Stop()
        self.event: threading.Event | None = None  # set instead of an exception
        self.hurry_s, self.grace_s = HURRY_S, GRACE_S
        self.over_s: float | None = None  # when the process has to be gone, though nobody told it to
        self._code: int | None = None  # once the program is done
        self._raised = False
        self._main = threading.get_ident()
        self._is_lost = False  # raised where Python could not raise it
        self._own_signals = 0  # that are under way
        self._first_s: float | None = None
        self._hurried = False
        self._ours, self._pythons = socket.socketpair()
        self._pythons.setblocking(False)
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under `nohup`
            numbers.append(signal.SIGHUP)
        self._before_fd = signal.set_wakeup_fd(self._pythons.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._on_signal) for number in numbers}
        self._unraisable_before = sys.unraisablehook
        sys.unraisablehook = self._on_unraisable
        self._thread = threading.Thread(target=self._watch, name="stop signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Handle signals as before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._before_fd)
        sys.unraisablehook = self._unraisable_before
        self._pythons.close()
        self._thread.join()
        self._ours.close()

    def finish(self, code: int, within_s: float) -> None:
        """Have the process end with `code` after so long, whatever it hangs in."""
        self._code, self._raised = code, True
        self.over_s = time.monotonic() + (within_s if self.stop.number is None else min(within_s, _LAST_ACTS_S))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Raise Stopped at the first signal, in the main thread."""
        if self.stop.number is None:
            self.stop.number = number
        if self.event is not None:
            self.stop.heeded = True
            self.event.set()
        elif not self._raised:
            self._raised = True
            raise Stopped(number)

    def _on_unraisable(self, raised: sys.UnraisableHookArgs) -> None:
        """Take a Stopped that fell into a callback of the collector, which raises nothing: it comes again."""
        if isinstance(raised.exc_value, Stopped):
            self._is_lost = True
        else:
            self._unraisable_before(raised)

    def _raise_again(self, number: int) -> None:
        self._is_lost = self._raised = False
        self._own_signals += 1
        signal.pthread_kill(self._main, number)  # so that it leaves what it waits in, too

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        while True:
            ready = poll.poll(1000 * _POLL_S if self._is_ending() else 1000)
            if ready:
                numbers = self._ours.recv(64)
                if not numbers:
                    return
                for number in numbers:
                    self._hear(number)
            self._check_time()

    def _is_ending(self) -> bool:
        return self._first_s is not None or self.over_s is not None

    def _hear(self, number: int) -> None:
        """Take note of a signal, while the main thread may be anywhere."""
        if number not in self._before:
            return
        if self._own_signals:
            self._own_signals -= 1
            return
        now_s = time.monotonic()
        if self._first_s is None:
            self._first_s = now_s
            if self.stop.number is None:
                self.stop.number = number
            if self.event is not None:
                self.stop.heeded = True
                self.event.set()
        elif number == signal.SIGINT and now_s - self._first_s >= _SECOND_AFTER_S:
            self._end_at_once()

    def _check_time(self) -> None:
        now_s = time.monotonic()
        if self.over_s is not None and now_s >= self.over_s:
            self._end_at_once()
        if self._first_s is None:
            return
        if self._is_lost and self.stop.number is not None:
            self._raise_again(self.stop.number)
        if now_s - self._first_s >= self.grace_s:
            self._end_at_once()
        if now_s - self._first_s >= self.hurry_s and not self._hurried:
            self._hurried = True
            _call_all(_hurried)

    def _end_at_once(self) -> NoReturn:
        acts = threading.Thread(target=self._do_last, name="last acts", daemon=True)
        with suppress(RuntimeError):  # no room for a thread
            acts.start()
            acts.join(_LAST_ACTS_S)
        stopped = self.stop.exit_code or (128 + self.stop.number if self.stop.number else 0)
        os._exit(stopped if self._code is None else self._code)

    def _do_last(self) -> None:
        _call_all([*_last_acts, remove_temporaries])
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):  # it has gone
                if stream is not None and stream.isatty():
                    os.write(stream.fileno(), _SHOW_CURSOR)
        if not self.stop.said and self._code is None:
            with suppress(OSError):
                os.write(2, f"{_stop_line(self.stop.kept)}\n".encode(errors="backslashreplace"))


def _call_all(functions: list[Callable[[], object]]) -> None:
    for function in tuple(functions):
        with suppress(Exception):  # the others have their turn all the same
            function()


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Handle the signals that stop a program, in the block; within another such block, this one changes nothing.

    Outside the main thread, where Python lets nobody handle signals, nothing is handled.
    """
    global _active
    if _active is not None or threading.current_thread() is not threading.main_thread():
        yield _active.stop if _active is not None else Stop()
        return
    _active = watch = _Watch()
    try:
        yield watch.stop
    finally:
        _active = None
        watch.close()


@contextmanager
def stop_event(*, hurry_s: float, grace_s: float) -> Iterator[threading.Event]:
    """Yield an event that the first signal sets, in place of raising Stopped: the block ends in order by itself.

    hurry_s, grace_s: after which it is interrupted where it waits, and ended all the same.
    """
    event = threading.Event()
    with stoppable(), _set(event=event, grace_s=grace_s, hurry_s=hurry_s):
        yield event


@contextmanager
def grace(seconds: float) -> Iterator[None]:
    """Let the block take so long to end once it is told to stop, for the sake of what it keeps."""
    with _set(grace_s=seconds):
        yield


@contextmanager
def _set(**values: Any) -> Iterator[None]:
    """Set attributes of the watch in the block; for good where it is stopped, which what follows is a part of."""
    watch = _active
    before = {name: getattr(watch, name) for name in values} if watch is not None else {}
    for name in before:
        setattr(watch, name, values[name])
    try:
        yield
    finally:
        if watch is not None and watch.stop.number is None:
            for name, value in before.items():
                setattr(watch, name, value)


@contextmanager
def _ending(**values: Any) -> Iterator[None]:
    """Set attributes of how the program ends for the block; they stay where it is stopped or fails."""
    if _active is None:
        yield
        return
    stop = _active.stop
    before = {name: getattr(stop, name) for name in values}
    vars(stop).update(values)
    yield
    vars(stop).update(before)


def stopped_with(code: int) -> AbstractContextManager[None]:
    """Have the program end with `code` where the block is stopped, not with 128 and the signal's number."""
    return _ending(code=code)


def keeping(kept: str) -> AbstractContextManager[None]:
    """Have it said, where the block is stopped, what is kept of it."""
    return _ending(kept=kept)


def say_stopped(kept: str = "") -> None:
    """Say on standard error that the program was stopped, and what is kept, unless that was said."""
    if _active is not None:
        if _active.stop.said:
            return
        _active.stop.said = True
        kept = kept or _active.stop.kept
    with suppress(OSError, ValueError):  # nobody reads it
        sys.stderr.write(f"{_stop_line(kept)}\n")
        sys.stderr.flush()


def leave_unsaid() -> None:
    """Have this process say nothing of being stopped, from now on: another one does."""
    if _active is not None:
        _active.stop.said = True


def _stop_line(kept: str) -> str:
    return f"pptsn: stopped; {kept}" if kept else "pptsn: stopped"


@contextmanager
def when_hurried(act: Callable[[], object]) -> Iterator[None]:
    """Have `act` called, by another thread, where the program was told to stop and has not left the block yet.

    It interrupts what the block waits for.
    """
    with _listed(_hurried, act):
        yield


@contextmanager
def last_act(act: Callable[[], object]) -> Iterator[None]:
    """Have `act` called, by another thread, where the program is ended at once in the block: it takes no time."""
    with _listed(_last_acts, act):
        yield


@contextmanager
def _listed(acts: list[Callable[[], object]], act: Callable[[], object]) -> Iterator[None]:
    acts.append(act)
    try:
        yield
    finally:
        acts.remove(act)


def watch_to_the_end() -> None:
    """Handle the signals from now on until the process has gone; for the main thread."""
    global _active
    if _active is None:
        _active = _Watch()


def finish(code: int, *, within_s: float) -> None:
    """Have the process end with `code` after so long, where what Python does at its end hangs in a thread."""
    if _active is not None:
        _active.finish(code, within_s)
