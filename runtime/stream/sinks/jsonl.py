"""JSON Lines: one object a message, for programs."""

from __future__ import annotations

from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.line_output import LineOutput
from pptsn.runtime.stream.sinks.lines import json_text


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
        self._output.write_line(json_text(message, top=self._top))

    def close(self) -> None:
        """Close the output; a second call does nothing."""
        self._output.close()
