"""Starting, hearing and ending the process of one connection to a source."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
import threading
from collections import deque
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection

import numpy as np

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.stream.capture.protocol import (
    CaptureJob,
    FromCapture,
    HandedDescriptor,
    Sampled,
    Stop,
    ToCapture,
)
from pptsn.runtime.stream.sources.registry import kind_of
from pptsn.runtime.workers.slots import FrameSlots
from pptsn.runtime.workers.starting import killed_by, let_go, room_to_start, start_process

# Pictures of up to twice as long as wide go through shared memory, others through the pipe.
_ASPECT = 2
# Messages that a process has not taken yet; one that takes none for long is ended.
_UNSENT = 10_000
_PRELOAD = ("pptsn.runtime.stream.capture.child", "pptsn.runtime.stream.sources.demuxed")


def slot_bytes(short_side: int) -> int:
    """Return the bytes in shared memory of a picture of that short side."""
    return short_side**2 * 3 * _ASPECT


class CaptureProcess(Closing):
    """The process of one connection.  One thread receives; any thread may call the other methods.

    slots: frames that may wait in shared memory.  standing: so many of them have their memory from the beginning;
        None: all.
    Raises OSError or EOFError where the system has no process, memory or descriptor left.
    """

    def __init__(self, job: CaptureJob, *, slots: int, standing: int | None = None) -> None:
        self._lock = threading.Lock()  # over what is closed while others may still use it
        self._closed = False
        self._unsent: deque[ToCapture] = deque(maxlen=_UNSENT)
        with room_to_start(), ExitStack() as on_failure:
            self._slots = FrameSlots(count=slots, slot_bytes=slot_bytes(job.short_side), standing=standing)
            on_failure.callback(self._slots.close)
            self._connection, theirs = multiprocessing.Pipe(duplex=True)
            on_failure.callback(self._connection.close)
            with theirs:
                self._start(theirs, job)
            on_failure.pop_all()
        self._writable = select.poll()
        self._writable.register(self._connection.fileno(), select.POLLOUT)

    def _start(self, theirs: Connection, job: CaptureJob) -> None:
        stdin = HandedDescriptor(sys.stdin.fileno()) if kind_of(job.uri).reads_stdin else None
        self._process = start_process(
            _capture, (theirs, self._slots, job, stdin), name=f"capture {job.uri.display}", preload=_PRELOAD
        )

    def receive(self, timeout_s: float) -> FromCapture | None:
        """Return the next message, or None after `timeout_s`; raises EOFError where the process has gone."""
        try:
            if not self._connection.poll(timeout_s):
                self._flush()
                return None
            message: FromCapture = self._connection.recv()
            self._flush()
        except OSError as error:
            raise EOFError from error
        return message

    def send(self, message: ToCapture) -> None:
        """Send `message` without waiting; it goes out later where the process is behind."""
        self._unsent.append(message)
        self._flush()

    def _flush(self) -> None:
        """Send what waits, as far as the process takes it, in order."""
        with self._lock, suppress(OSError, IndexError):
            while self._unsent and not self._closed and self._writable.poll(0):
                self._connection.send(self._unsent.popleft())

    def pixels(self, message: Sampled) -> Frame:
        """Return the (H, W, 3) uint8 pixels of a sampled frame, in memory that is shared until it is freed."""
        if message.inline:
            return np.frombuffer(message.inline, np.uint8).reshape(message.height, message.width, 3)
        return self._slots.view(message.slot, message.height, message.width)

    def free(self, message: Sampled) -> None:
        """Let the process use the memory of a sampled frame again."""
        with self._lock:
            self._slots.free(message.slot)

    def exit_cause(self) -> str:
        """Return how the process ended, a phrase for people; for a process that has gone without a word."""
        name = killed_by(self._process)
        return f"its decoder crashed ({name})" if name else "its process ended unexpectedly"

    def stop(self) -> None:
        """Ask the process to finish."""
        self.send(Stop())

    def close(self) -> None:
        """End the process and all that it has started, whatever they are doing.  A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._kill()
        with self._lock:
            self._connection.close()
            self._slots.close()
        let_go(self._process)

    def _kill(self) -> None:
        pid = self._process.pid
        if pid is None:
            return
        with suppress(OSError):  # it has gone, or has not made its group yet
            os.killpg(pid, signal.SIGKILL)
        with suppress(OSError):
            self._process.kill()


def _capture(connection: Connection, slots: FrameSlots, job: CaptureJob, stdin: HandedDescriptor | None) -> None:
    """Do `job` in the process that was started for it; the one that starts it need not import a decoder."""
    from pptsn.runtime.stream.capture.child import run_capture

    run_capture(connection, slots, job, stdin)
