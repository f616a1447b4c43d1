"""Where results go: a table for people, lines of JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from pptsn.runtime.base.files import atomic_file, printable
from pptsn.runtime.classify.results import Classification, Failure

_BAR_WIDTH = 12
_SCORE_WIDTH = 6
_MIN_SOURCE_WIDTH = 16


class JsonLines:
    """Writes one JSON object a result."""

    def __init__(self, stream: TextIO, *, top: int) -> None:
        self._stream = stream
        self._top = top

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int) -> Iterator[JsonLines]:
        """Yield a sink that writes to `path` (`-`: standard output), which appears when the block ends."""
        if path == "-":
            yield cls(sys.stdout, top=top)
            return
        with atomic_file(Path(path)) as temporary, open(temporary, "w", encoding="utf-8") as stream:
            yield cls(stream, top=top)

    def write(self, result: Classification | Failure) -> None:
        """Write one line."""
        self._stream.write(json.dumps(result.to_dict(top=self._top), ensure_ascii=False) + "\n")
        self._stream.flush()


class Table:
    """Prints each result as it comes: rows of a table on a terminal, tab-separated lines into a pipe.

    Piped lines have the fields source, class number, label and score.
    """

    def __init__(self, console: Console, *, top: int) -> None:
        self._console = console
        self._top = top
        self._has_header = False

    def write(self, result: Classification) -> None:
        """Print the leading classes of one source."""
        if self._console.is_terminal:
            self._write_rows(result)
            return
        for p in result.top(self._top):
            print(
                printable(result.source), p.class_id, p.label, f"{p.score:.6f}", sep="\t", file=self._console.file
            )

    def _write_rows(self, result: Classification) -> None:
        width = self._console.width
        source_width = max(_MIN_SOURCE_WIDTH, min(48, width // 2))
        label_width = max(8, width - source_width - _SCORE_WIDTH - _BAR_WIDTH - 6)
        if not self._has_header:
            header = f"{'source':<{source_width}}  {'label':<{label_width}}  {'score':>{_SCORE_WIDTH}}"
            self._console.print(Text(header, style="bold"))
            self._has_header = True
        name = shorten_middle(printable(result.source), source_width)
        for p in result.top(self._top):
            bar = "━" * round(p.score * _BAR_WIDTH)
            row = Text(f"{name:<{source_width}}  {shorten_middle(p.label, label_width):<{label_width}}  ")
            row.append(f"{p.score:>{_SCORE_WIDTH}.3f}  ", style="bold")
            row.append(bar, style="green")
            self._console.print(row, no_wrap=True, overflow="crop")
            name = ""


def shorten_middle(text: str, width: int) -> str:
    """Return `text` in at most `width` characters, with its middle left out: both ends of a path tell most."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return text[:head] + "…" + text[len(text) - (width - 1 - head) :]
