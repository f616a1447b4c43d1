"""What a sink is: something that takes messages, one at a time, from one thread."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.stream.actions.messages import Message


class Sink(Closing, ABC):
    """Takes the pipeline's messages.  A SinkWorker calls `open`, `write` and `close` from a thread of its own.

    So each may take its time: the pipeline goes on, and what does not fit the worker's queue is dropped and
    counted.  A failure (PptsnError or OSError) is counted and reported; the next message is tried all the same.

    name: what it is called in reports, without credentials.
    """

    name: str

    def open(self) -> None:
        """Get ready; raises PptsnError where the place can never be written.  Called before the first stream."""

    @abstractmethod
    def write(self, message: Message) -> None:
        """Take one message; raises PptsnError or OSError where that failed, having left nothing half-written."""

    def idle(self) -> None:
        """Do what is due while no message comes; called a few times a second."""

    @abstractmethod
    def close(self) -> None:
        """Finish; a second call does nothing."""
