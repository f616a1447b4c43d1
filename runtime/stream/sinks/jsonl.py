"""JSON Lines: one object a message, for programs."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.base.lines import LineFile, LineOutput, StandardOutput
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import Address, MessageOptions, SinkKind
from pptsn.runtime.stream.sinks.line_output import FileOptions, rotation
from pptsn.runtime.stream.sinks.text import json_text


class JsonlSink(Sink):
    """Writes the `to_dict` of each message as a line of JSON to `output`, with the `top` leading classes.

    Each line is with the system when `write` returns: a reader sees it, and a crash of the program loses none.
    """

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self.name = output.name
        self._output = output
        self._top = top

    def open(self) -> None:
        """Open the output; raises PptsnError where it can never be written."""
        self._output.open()

    def write(self, message: Message) -> None:
        """Write one line."""
        self._output.write_line(json_text(message.to_dict(top=self._top)))

    def close(self) -> None:
        """Close the output; a second call does nothing."""
        self._output.close()


class JsonlKind(SinkKind[FileOptions]):
    """A file of JSON Lines."""

    help = "JSON, a line a message"
    suffixes = (".jsonl", ".ndjson")
    options = FileOptions

    def make(self, address: Address, options: FileOptions, *, top: int) -> JsonlSink:
        """Return a sink that appends to the file."""
        return JsonlSink(LineFile(Path(address.path), **rotation(address, options)), top=top)


class StandardOutputKind(SinkKind[MessageOptions]):
    """JSON Lines on standard output."""

    help = "the same on standard output"
    words = ("-",)
    title = StandardOutput.name

    def make(self, address: Address, options: MessageOptions, *, top: int) -> JsonlSink:
        """Return a sink that prints."""
        return JsonlSink(StandardOutput(), top=top)
