"""Starting, hearing and ending the process of one connection to a source."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import time
from contextlib import suppress
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd

from runtime.closing import Closing
from runtime.preprocess import Frame
from runtime.stream.capture.launch import launch
from runtime.stream.capture.protocol import CaptureJob, FromCapture, Sampled, Stop, ToCapture
from runtime.stream.capture.slots import FrameSlots

# Pictures of up to twice as long as wide go through shared memory, others through the pipe.
_ASPECT = 2


@cache
def _context() -> ForkServerContext:
    """Return what starts processes: forks of a server that has imported what a capture needs, and no threads.

    Forked from this process they would inherit locks that its threads hold; started afresh, each would take half
    a second and as much memory again.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["runtime.stream.capture.child"])
    return context


class CaptureProcess(Closing):
    """The process of one connection.  One thread receives; any thread may send.

    slots: frames that may wait in shared memory.
    """

    def __init__(self, job: CaptureJob, *, slots: int) -> None:
        context = _context()
        slot_bytes = job.short_side**2 * 3 * _ASPECT
        self._slots: FrameSlots | None = FrameSlots(context, count=slots, slot_bytes=slot_bytes)
        self._connection, theirs = context.Pipe(duplex=True)
        stdin = DupFd(sys.stdin.fileno()) if job.uri.kind == "stdin" else None
        self._process = context.Process(
            target=launch, args=(theirs, self._slots, job, stdin), name=f"capture {job.uri.display}", daemon=True
        )
        self._process.start()
        theirs.close()
        self._closed = False

    def receive(self, timeout_s: float) -> FromCapture | None:
        """Return the next message, or None after `timeout_s`; raises EOFError where the process has gone."""
        try:
            if not self._connection.poll(timeout_s):
                return None
            message: FromCapture = self._connection.recv()
        except OSError as error:
            raise EOFError from error
        return message

    def send(self, message: ToCapture) -> None:
        """Send `message` without waiting: to a process that does not listen it is lost."""
        with suppress(OSError, ValueError):  # ValueError: closed meanwhile
            if select.select([], [self._connection], [], 0)[1]:
                self._connection.send(message)

    def pixels(self, message: Sampled) -> Frame:
        """Return the (H, W, 3) uint8 pixels of a sampled frame, in memory that is shared until it is freed."""
        if message.inline:
            import numpy as np

            return np.frombuffer(message.inline, np.uint8).reshape(message.height, message.width, 3)
        if self._slots is None:
            raise ValueError("the capture is closed")
        return self._slots.view(message.slot, message.height, message.width)

    def free(self, message: Sampled) -> None:
        """Let the process use the memory of a sampled frame again."""
        slots = self._slots
        if slots is not None:
            slots.free(message.slot)

    def exit_cause(self) -> str:
        """Return how the process ended, a phrase for people; for a process that has gone without a word."""
        self._process.join(1)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"its decoder crashed ({signal.Signals(-code).name})"
        return "its process ended unexpectedly"

    def stop(self) -> None:
        """Ask the process to finish."""
        self.send(Stop())

    def kill(self) -> None:
        """End the process and all that it has started, whatever they are doing."""
        pid = self._process.pid
        if pid is None:
            return
        with suppress(OSError):  # it has gone, or has not made its group yet
            os.killpg(pid, signal.SIGKILL)
        with suppress(OSError, ValueError):
            self._process.kill()

    def close(self, *, timeout_s: float = 0.0) -> None:
        """Wait for the process for `timeout_s`, then end it; give back its memory.  A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._wait(timeout_s)
        self.kill()
        self._process.join(1)
        self._connection.close()
        if self._process.exitcode is not None:
            self._process.close()
        self._slots = None

    def _wait(self, timeout_s: float) -> None:
        """Wait until the process ends, hearing it out: it may be about to say something."""
        deadline_s = time.monotonic() + timeout_s
        with suppress(EOFError):
            while self._process.is_alive() and (left_s := deadline_s - time.monotonic()) > 0:
                self.receive(left_s)
