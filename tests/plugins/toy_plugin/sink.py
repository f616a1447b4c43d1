"""A sink of plain words: `toy:FILE?shout=1`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import option, switch
from pptsn.runtime.stream.actions.messages import Message, StreamPrediction
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import Address, MessageOptions, SinkKind


@dataclass(frozen=True)
class ToyOptions(MessageOptions):
    """The options of a toy."""

    shout: bool = option("1: in capitals.", default=False, parse=switch)


class ToySink(SinkKind[ToyOptions]):
    """A file with a word a message."""

    help = "a word a message"
    options = ToyOptions

    def make(self, address: Address, options: ToyOptions, *, top: int) -> Sink:
        """Return the sink; raises UsageError where there is no file."""
        if not address.path:
            raise UsageError(address.name, "names no file", "write toy:FILE")
        return ToyWriter(Path(address.path), shout=options.shout)


class ToyWriter(Sink):
    """Writes the label of each prediction, and the name of what else happens, to `path`."""

    def __init__(self, path: Path, *, shout: bool) -> None:
        self.name = f"toy:{path}"
        self._path = path
        self._shout = shout

    def open(self) -> None:
        """Begin the file anew."""
        self._path.write_text("")

    def write(self, message: Message) -> None:
        """Append a word."""
        word = message.top(1)[0].label if isinstance(message, StreamPrediction) else type(message).__name__
        with self._path.open("a") as file:
            file.write(f"{word.upper() if self._shout else word}\n")

    def close(self) -> None:
        """Do nothing: nothing is held."""
