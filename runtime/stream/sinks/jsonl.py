"""JSON Lines: one object a message, for programs."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import Address, MessageOptions, SinkKind
from pptsn.runtime.stream.sinks.line_output import (
    DEFAULT_KEEP,
    FileOptions,
    LineFile,
    LineOutput,
    StandardOutput,
    check_file,
)
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


def _to_file(address: Address, options: FileOptions, top: int) -> JsonlSink:
    check_file(address, options)
    keep = options.keep or DEFAULT_KEEP
    return JsonlSink(LineFile(Path(address.path), rotate_bytes=options.rotate_bytes, keep=keep), top=top)


def _to_standard_output(address: Address, options: MessageOptions, top: int) -> JsonlSink:
    return JsonlSink(StandardOutput(), top=top)


JSONL = SinkKind(
    name="jsonl",
    help="JSON, a line a message",
    suffixes=(".jsonl", ".ndjson"),
    options=FileOptions,
    make=_to_file,
)
STDOUT = SinkKind(
    name="stdout",
    help="the same on standard output",
    words={"-": StandardOutput.name},
    make=_to_standard_output,
)
