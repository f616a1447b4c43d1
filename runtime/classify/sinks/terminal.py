"""Results as people see them: a table on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from pptsn.runtime.base.errors import spelled
from pptsn.runtime.base.lines import StandardOutput
from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sinks.base import ResultSink, opened, verdict_of
from pptsn.runtime.classify.sinks.lines import TabbedLines

_BAR_WIDTH = 12
_SCORE_WIDTH = 6
_VERDICT_WIDTH = 5
_MIN_SOURCE_WIDTH, _MOST_SOURCE_WIDTH = 16, 48
_MIN_LABEL_WIDTH = 8
# Of a source or a label where there is room for neither: more than the mark and the sign for what is left out.
_LEAST_WIDTH = 4
_GAP = "  "
# Before the name of a source with warnings.
_MARK = "! "


@contextmanager
def shown_results(*, top: int) -> Iterator[ResultSink]:
    """Yield what shows results on standard output: a table on a terminal, tab-separated lines elsewhere."""
    console = Console(highlight=False)
    if console.is_terminal:
        yield Table(console, top=top)
        return
    with opened(StandardOutput()) as output:
        yield TabbedLines(output, top=top)


class Table:
    """Prints each result as it comes, as rows of a table on a terminal.

    The name of a source with warnings has a mark before it.  Of one with a label it says whether the leading class
    is right, and which one is true, if that is among those shown.
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
        room = 0 if result.truth is None else len(_GAP) + _VERDICT_WIDTH
        source_width, label_width, bar_width = _widths(self._console.width - room)
        if not self._has_header:
            names = (f"{'source':<{source_width}}", f"{'label':<{label_width}}", f"{'score':>{_SCORE_WIDTH}}")
            header = _GAP.join(names)
            self._console.print(Text(header, style="bold"))
            self._has_header = True
        mark = _MARK if result.warnings else ""
        name = mark + shorten_middle(spelled(result.source), source_width - len(mark))
        verdict = verdict_of(result)
        for p in result.top(self._top):
            bar = "━" * round(p.score * bar_width)
            label = shorten_middle(spelled(p.label), label_width)
            row = Text(f"{name:<{source_width}}{_GAP}{label:<{label_width}}{_GAP}")
            row.append(f"{p.score:>{_SCORE_WIDTH}.3f}", style="bold")
            if result.truth is not None:
                is_true = p.class_id == result.truth.class_id
                said = verdict or ("true" if is_true else "")
                row.append(f"{_GAP}{said:<{_VERDICT_WIDTH}}", style="green" if is_true else "red")
            row.append(f"{_GAP}{bar}" if bar else "", style="green")
            self._console.print(row, no_wrap=True, overflow="crop")
            name = verdict = ""


def _widths(width: int) -> tuple[int, int, int]:
    """Return the columns of source, label and bar on a terminal of `width` columns; a narrow one has no bar."""
    room = width - _SCORE_WIDTH - 2 * len(_GAP)
    source = max(_MIN_SOURCE_WIDTH, min(_MOST_SOURCE_WIDTH, width // 2))
    label = room - source - len(_GAP) - _BAR_WIDTH
    if label >= _MIN_LABEL_WIDTH:
        return source, label, _BAR_WIDTH
    source = max(_LEAST_WIDTH, room // 2)
    return source, max(_LEAST_WIDTH, room - source), 0


def shorten_middle(text: str, width: int) -> str:
    """Return `text` in at most `width` characters, with its middle left out: both ends of a path tell most."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return text[:head] + "…" + text[len(text) - (width - 1 - head) :]
