"""Lines on standard error: the news of a run, or its trouble alone."""

from __future__ import annotations

import sys

from pptsn.runtime.classify.results import printable
from pptsn.runtime.stream.actions.messages import Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.lines import news_line, one_line

_TROUBLE = frozenset({"retrying", "failed", "frozen"})


def print_line(text: str) -> None:
    """Print `text` as a line of the program; above the live table, where there is one.  Raises OSError."""
    sys.stderr.write(f"pptsn: {printable(text)}\n")
    sys.stderr.flush()


class NewsLines(Sink):
    """Prints a line an event and a line a notice."""

    name = "standard error"

    def wants(self, message: Message) -> bool:
        """Whether it is news, rather than a prediction."""
        return not isinstance(message, StreamPrediction)

    def write(self, message: Message) -> None:
        """Print one line."""
        if not isinstance(message, StreamPrediction):
            print_line(news_line(message))

    def close(self) -> None:
        """Leave standard error open."""


class TroubleLines(Sink):
    """Prints a line when a stream gets into trouble, and one when it is out of it; for the journal of a service.

    What is wrong already is not said again: a camera that is off for a week is one line.
    """

    name = "standard error"

    def __init__(self) -> None:
        self._told: dict[str, str] = {}  # what was last said of each stream in trouble

    def wants(self, message: Message) -> bool:
        """Whether it may tell of trouble, or of its end."""
        return isinstance(message, StreamNotice) and (message.state in _TROUBLE or message.state == "live")

    def write(self, message: Message) -> None:
        """Print one line, if it is news."""
        line = self._line(message) if isinstance(message, StreamNotice) else ""
        if line:
            print_line(line)

    def _line(self, notice: StreamNotice) -> str:
        before = self._told.pop(notice.stream, "")
        if notice.state == "failed":
            return f"error: {one_line(notice.source)}: {one_line(notice.detail)}"
        if notice.state not in _TROUBLE:
            return f"{one_line(notice.stream)}: works again" if before else ""
        line = self._told[notice.stream] = news_line(notice)
        return "" if line == before else line

    def close(self) -> None:
        """Leave standard error open."""
