"""What a sink may be able to do besides writing; a SinkWorker asks for it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.sinks.base import Sink

# What `only=...` may name.
KINDS: dict[str, type] = {
    "predictions": StreamPrediction,
    "events": ActionEvent,
    "notices": StreamNotice,
}


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
    """Hands `sink` the messages of some kinds alone: names in KINDS."""

    def __init__(self, sink: Sink, kinds: frozenset[str]) -> None:
        self.name = sink.name
        self.kinds = kinds
        self.sink = sink
        self._types = tuple(KINDS[kind] for kind in kinds)

    def wants(self, message: Message) -> bool:
        """Whether `message` is of one of the kinds."""
        return isinstance(message, self._types)

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
