"""The tables of a report on a terminal, by Rich."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from pptsn.benchmarks.measure.results import Report
from pptsn.benchmarks.reports.tables import Cell, SectionView, Table, section_views
from pptsn.benchmarks.reports.wording import NOT_KNOWN, TIMES
from pptsn.runtime.base.errors import one_line

# What is piped has no width of its own; a table takes no more than it needs.
_PIPED_WIDTH = 240
# Where a table would else have to be split, words longer than this are broken.
_BROKEN_WORD = 14
# What to write instead where the encoding of standard output lacks it; anything else becomes a question mark.
_PLAIN = {"\N{EN DASH}": "-", NOT_KNOWN: "-", TIMES: "x"}
_ERRORS = "pptsn.plain"


def output_console() -> Console:
    """Return the console for standard output, which from now on replaces what its encoding lacks.

    A dash that a terminal cannot show is no reason to lose the figures after it.
    """
    codecs.register_error(_ERRORS, _in_plain)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ERRORS)
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPED_WIDTH)


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the letters that could not be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter, "?") for letter in lacking), error.end


def show_report(report: Report, console: Console) -> None:
    """Print the tables section by section, then what they mean, then what makes the figures doubtful."""
    views = section_views(report)
    for view in views:
        _show_section(view, console)
    sentences = [sentence for view in views for sentence in view.sentences]
    if sentences:
        console.print(Text("What it means", style="bold"))
    for sentence in sentences:
        console.print(Text(f"- {one_line(sentence)}"))
    for warning in report.noise.get("warnings") or ():
        show_warning(str(warning), console)


def show_warning(warning: str, console: Console) -> None:
    """Print a line that deserves attention."""
    console.print(Text(f"warning: {one_line(warning)}", style="yellow"))


def _show_section(view: SectionView, console: Console) -> None:
    title = Text(view.title, style="bold")
    title.append(f"  {one_line(view.shared)}" if view.shared else "", style="not bold dim")
    console.print(title)
    for index, table in enumerate(view.tables):
        if index:
            console.print()
        show_table(table, console)
    for failure in view.failures:
        console.print(Text(f"failed: {one_line(failure)}", style="red"))
    for note in view.notes:
        console.print(Text(f"note: {one_line(note)}", style="dim"))
    console.print()


def show_table(table: Table, console: Console) -> None:
    """Print one table so that its figures stay whole.

    What is too wide goes in this order: columns without a figure, intervals, long words.  Then the table is split
    into parts that repeat the columns of words.  A single row, and what does not even fit then, is listed.
    """
    if table.caption:
        console.print(Text(one_line(table.caption), style="italic"))
    parts = _parts_that_fit(table, console)
    for index, part in enumerate(parts):
        if index:
            console.print()
        console.print(part)
    if not parts:
        _list_rows(table, console)


def _parts_that_fit(table: Table, console: Console) -> list[RichTable]:
    """Return the table in as few parts as can be; none where a list serves better, or nothing else fits."""
    lean = _without_unknown(table)
    for shown, intervals in ((table, True), (lean, True), (table, False), (lean, False)):
        if _fits(whole := _grid(shown, intervals), console):
            return [whole]
    if len(table.rows) == 1:  # nothing to compare down a column
        return []
    if _fits(broken := _grid(lean, False, longest_word=_BROKEN_WORD), console):
        return [broken]
    long, brief = (_split(lean, intervals, console) for intervals in (True, False))
    return long if 0 < len(long) <= len(brief) else brief


def _fits(shown: RichTable, console: Console) -> bool:
    anywhere = console.options.update_width(_PIPED_WIDTH * 10)
    return Measurement.get(console, anywhere, shown).minimum <= console.width


def _without_unknown(table: Table) -> Table:
    """Return `table` without the columns that hold no known figure in any row."""
    kept = [
        index
        for index, column in enumerate(table.columns)
        if not column.is_figure or any(row[index].text not in ("", NOT_KNOWN) for row in table.rows)
    ]
    return _columns_of(table, kept)


def _columns_of(table: Table, indices: Sequence[int]) -> Table:
    rows = tuple(tuple(row[index] for index in indices) for row in table.rows)
    return Table(tuple(table.columns[index] for index in indices), rows)


def _split(table: Table, intervals: bool, console: Console) -> list[RichTable]:
    """Return parts of `table` that fit, each with the case, and with the words at the right, such as a verdict.

    Returns none where that cannot be done.
    """
    case = list(range(_case_columns(table)))
    last = max((index for index, column in enumerate(table.columns) if column.is_figure), default=len(case) - 1)
    ends = range(last + 1, len(table.columns))
    rest = list(range(len(case), last + 1))
    parts: list[RichTable] = []
    while rest:
        tried = [_grid(_columns_of(table, [*case, *rest[: n + 1], *ends]), intervals) for n in range(len(rest))]
        fitting = [part for part in tried if _fits(part, console)]
        if not fitting:
            return []
        parts.append(fitting[-1])
        rest = rest[len(fitting) :]
    return parts


def _case_columns(table: Table) -> int:
    """Return how many columns at the left say which case a row is.

    These are the ones with words, and those with numbers without which two rows would look the same.
    """
    words = next((index for index, column in enumerate(table.columns) if column.is_figure), len(table.columns))
    for count in range(words, len(table.columns)):
        if len({tuple(cell.text for cell in row[:count]) for row in table.rows}) == len(table.rows):
            return count
    return words


def _list_rows(table: Table, console: Console) -> None:
    for index, row in enumerate(table.rows):
        if index:
            console.print()
        for column, cell in zip(table.columns, row, strict=True):
            if cell.text:
                heading = f"{one_line(column.title)}: " if column.title else ""
                console.print(Text(heading, style="dim").append_text(_text(cell)))


def _grid(table: Table, intervals: bool, *, longest_word: int | None = None) -> RichTable:
    """Return `table` for Rich, which wraps headings and text; figures stay whole.

    longest_word: text has no more columns than this, and longer words of it are broken.
    """
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(table.columns):
        title = Text(one_line(column.title))
        if column.is_figure:
            figures = [_text(row[index], intervals).cell_len for row in table.rows]
            words = [Text(word).cell_len for word in title.plain.split()]
            shown.add_column(title, justify="right", width=max([*figures, *words, 1]))
        else:
            shown.add_column(title, max_width=longest_word, overflow="fold")
    for row in table.rows:
        shown.add_row(*(_text(cell, intervals) for cell in row))
    return shown


def _text(cell: Cell, with_interval: bool = True) -> Text:
    text = Text(one_line(cell.text))
    if cell.interval and with_interval:
        text.append(f" ({cell.interval})", style="dim")
    return text
