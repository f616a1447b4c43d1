"""The first step of a capture process: light, so that the process that starts it need not import a decoder."""

from __future__ import annotations

import signal
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
from typing import Any

from pptsn.runtime.stream.capture.protocol import CaptureJob
from pptsn.runtime.stream.capture.slots import FrameSlots

# What may be sent to the whole program, and concerns its main process alone.
STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class HandedDescriptor:
    """A descriptor that goes to the process which is being started, where `number` is its own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getstate__(self) -> Any:
        return DupFd(self.number)

    def __setstate__(self, state: Any) -> None:
        self.number = state.detach()


def launch(connection: Connection, slots: FrameSlots, job: CaptureJob, stdin: HandedDescriptor | None) -> None:
    """Do `job` in this process: see `child.run_capture`."""
    from pptsn.runtime.stream.capture.child import run_capture

    run_capture(connection, slots, job, stdin)
