"""What a sink is, and what it may be able to do besides writing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction

# The types of messages, by the names that `only=...` gives them.
MESSAGE_TYPES: dict[str, type] = {
    "predictions": StreamPrediction,
    "events": ActionEvent,
    "notices": StreamNotice,
}


class Sink(Closing, ABC):
    """Takes the pipeline's messages.  A SinkWorker calls `open`, `write` and `close` from a thread of its own.

    So each may take its time: the pipeline goes on, and what does not fit the worker's queue is dropped and
    counted.  A failure (PptsnError or OSError) is counted and reported; the next message is tried all the same.

    name: what it is called in reports, without credentials.
    keeps_results: whether what it does not get is lost: not so where somebody merely looks on.
    """

    name: str
    keeps_results: bool = True

    def open(self) -> None:
        """Get ready; raises PptsnError where it can never be written.  Called before the first stream."""

    @abstractmethod
    def write(self, message: Message) -> None:
        """Take one message; raises PptsnError or OSError where that failed, having left nothing half-written."""

    def idle(self) -> None:
        """Do what is due while no message comes; called a few times a second."""

    @abstractmethod
    def close(self) -> None:
        """Finish; a second call does nothing."""


@runtime_checkable
class Choosy(Protocol):
    """A sink that does not want every message.  What it does not want is neither queued nor counted."""

    def wants(self, message: Message) -> bool:
        """Whether to write `message`; called from any thread."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A sink whose `write` may wait for long."""

    def interrupt(self) -> None:
        """Let a `write` that waits, and all after it, take a second more in all; called from another thread."""
        ...


class Only(Sink):
    """Hands `sink` the messages of some types alone: names in MESSAGE_TYPES."""

    def __init__(self, sink: Sink, types: frozenset[str]) -> None:
        self.name = sink.name
        self.keeps_results = sink.keeps_results
        self.types = types
        self.sink = sink
        self._classes = tuple(MESSAGE_TYPES[name] for name in types)

    def wants(self, message: Message) -> bool:
        """Whether `message` is of one of the types."""
        return isinstance(message, self._classes)

    def interrupt(self) -> None:
        """Interrupt the sink behind, where it can be."""
        if isinstance(self.sink, Interruptible):
            self.sink.interrupt()

    def open(self) -> None:
        """Open the sink behind."""
        self.sink.open()

    def write(self, message: Message) -> None:
        """Hand on a message that is wanted."""
        if self.wants(message):
            self.sink.write(message)

    def idle(self) -> None:
        """Let the sink behind do what is due."""
        self.sink.idle()

    def close(self) -> None:
        """Close the sink behind."""
        self.sink.close()
