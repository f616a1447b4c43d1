"""Where results go: a table for people, lines of JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.text import Text

from pptsn.runtime.base.errors import InputError, one_line, reason_of, spelled, spelled_json
from pptsn.runtime.base.lines import LineFile, LineOutput, StandardOutput
from pptsn.runtime.classify.results import Classification, Failure

_BAR_WIDTH = 12
_SCORE_WIDTH = 6
_MIN_SOURCE_WIDTH = 16
# Before the name of a source with warnings.
_MARK = "! "


class ResultSink(Protocol):
    """Takes results as they come; each is where it belongs when `write` returns."""

    def write(self, result: Classification | Failure) -> None:
        """Take one result; raises InputError where that failed, the results before it being whole."""
        ...


class JsonLines:
    """Writes one JSON object a result."""

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self._output = output
        self._top = top

    @classmethod
    @contextmanager
    def open(cls, path: str, *, top: int) -> Iterator[JsonLines]:
        """Yield a sink that writes to `path` (`-`: standard output).

        The first result replaces what the file held.  However the program ends, the results until then are there.
        """
        with _opened(StandardOutput() if path == "-" else LineFile(Path(path), anew=True)) as output:
            yield cls(output, top=top)

    def write(self, result: Classification | Failure) -> None:
        """Write one line."""
        _write_line(self._output, spelled_json(json.dumps(result.to_dict(top=self._top), ensure_ascii=False)))


class TabbedLines:
    """Writes tab-separated lines, for pipes: source, class number, label and score, a line a leading class.

    Of a source with warnings these are a fifth field.
    """

    def __init__(self, output: LineOutput, *, top: int) -> None:
        self._output = output
        self._top = top

    def write(self, result: Classification | Failure) -> None:
        """Write the leading classes of one source, all at once."""
        if isinstance(result, Classification):
            name = spelled(result.source)
            warned = f"\t{one_line('; '.join(result.warnings))}" if result.warnings else ""
            rows = (
                f"{name}\t{p.class_id}\t{spelled(p.label)}\t{p.score:.6f}{warned}" for p in result.top(self._top)
            )
            _write_line(self._output, "\n".join(rows))


@contextmanager
def shown_results(*, top: int) -> Iterator[ResultSink]:
    """Yield what shows results on standard output: a table on a terminal, tab-separated lines elsewhere."""
    console = Console(highlight=False)
    if console.is_terminal:
        yield Table(console, top=top)
        return
    with _opened(StandardOutput()) as output:
        yield TabbedLines(output, top=top)


@contextmanager
def _opened(output: LineOutput) -> Iterator[LineOutput]:
    output.open()
    try:
        yield output
    finally:
        with _naming(output):
            output.close()


def _write_line(output: LineOutput, line: str) -> None:
    with _naming(output):
        output.write_line(line)


@contextmanager
def _naming(output: LineOutput) -> Iterator[None]:
    """Turn what the system says of an output that cannot be written any further into an error that names it."""
    try:
        yield
    except OSError as error:
        cause = f"cannot be written ({reason_of(error)}), the results in it stay"
        raise InputError(output.name, cause, "make room, and classify the others again") from error


class Table:
    """Prints each result as it comes, as rows of a table on a terminal.

    The name of a source with warnings has a mark before it.
    """

    def __init__(self, console: Console, *, top: int) -> None:
        self._console = console
        self._top = top
        self._has_header = False

    def write(self, result: Classification | Failure) -> None:
        """Print the leading classes of one source."""
        if isinstance(result, Classification):
            self._write_rows(result)

    def _write_rows(self, result: Classification) -> None:
        width = self._console.width
        source_width = max(_MIN_SOURCE_WIDTH, min(48, width // 2))
        label_width = max(8, width - source_width - _SCORE_WIDTH - _BAR_WIDTH - 6)
        if not self._has_header:
            header = f"{'source':<{source_width}}  {'label':<{label_width}}  {'score':>{_SCORE_WIDTH}}"
            self._console.print(Text(header, style="bold"))
            self._has_header = True
        mark = _MARK if result.warnings else ""
        name = mark + shorten_middle(spelled(result.source), source_width - len(mark))
        for p in result.top(self._top):
            bar = "━" * round(p.score * _BAR_WIDTH)
            row = Text(f"{name:<{source_width}}  {shorten_middle(spelled(p.label), label_width):<{label_width}}  ")
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
