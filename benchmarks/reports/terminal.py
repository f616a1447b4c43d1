"""The tables of a report on a terminal, by Rich."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from pptsn.benchmarks.measure.results import Report
from pptsn.benchmarks.reports.tables import Cell, SectionView, Table, section_views
from pptsn.benchmarks.reports.wording import NOT_KNOWN, TIMES
from pptsn.runtime.classify.results import printable

# What is piped has no width of its own; a table takes no more than it needs.
_PIPED_WIDTH = 240
# Between columns.
_GAP = 2
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
        console.print(Text(f"- {printable(sentence)}"))
    for warning in report.noise.get("warnings") or ():
        show_warning(str(warning), console)


def show_warning(warning: str, console: Console) -> None:
    """Print a line that deserves attention."""
    console.print(Text(f"warning: {printable(warning)}", style="yellow"))


def _show_section(view: SectionView, console: Console) -> None:
    title = Text(view.title, style="bold")
    title.append(f"  {printable(view.shared)}" if view.shared else "", style="not bold dim")
    console.print(title)
    for place, table in enumerate(view.tables):
        if place:
            console.print()
        show_table(table, console)
    for failure in view.failures:
        console.print(Text(f"failed: {printable(failure)}", style="red"))
    for note in view.notes:
        console.print(Text(f"note: {printable(note)}", style="dim"))
    console.print()


def show_table(table: Table, console: Console) -> None:
    """Print one table so that its figures stay whole.

    What is too wide goes in this order: columns without a figure, intervals, long words.  Then the table is split
    into parts that repeat the columns of words.  A single row, and what does not even fit then, is listed.
    """
    if table.caption:
        console.print(Text(printable(table.caption), style="italic"))
    parts = _parts_that_fit(table, console.width)
    for place, part in enumerate(parts):
        if place:
            console.print()
        console.print(part)
    if not parts:
        _list_rows(table, console)


def _parts_that_fit(table: Table, room: int) -> list[RichTable]:
    """Return the table in as few parts as can be; none where a list serves better, or nothing else fits."""
    lean = _without_unknown(table)
    for shown, with_intervals in ((table, True), (lean, True), (table, False), (lean, False)):
        widths = _fitting_widths(shown, with_intervals, room)
        if widths is not None:
            return [_grid(shown, widths, with_intervals)]
    if len(table.rows) == 1:  # nothing to compare down a column
        return []
    widths = _fitting_widths(lean, False, room, longest_word=_BROKEN_WORD)
    if widths is not None:
        return [_grid(lean, widths, False)]
    whole, brief = (_split(lean, with_intervals, room) for with_intervals in (True, False))
    return whole if 0 < len(whole) <= len(brief) else brief


def _without_unknown(table: Table) -> Table:
    """Return `table` without the columns that hold no known figure in any row."""
    kept = [
        place
        for place, column in enumerate(table.columns)
        if not column.is_figure or any(row[place].text not in ("", NOT_KNOWN) for row in table.rows)
    ]
    return _columns_of(table, kept)


def _columns_of(table: Table, places: Sequence[int]) -> Table:
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    return Table(tuple(table.columns[place] for place in places), rows)


def _split(table: Table, with_intervals: bool, room: int) -> list[RichTable]:
    """Return parts of `table` that fit, each with the case, and with the words at the right, such as a verdict.

    Returns none where that cannot be done.
    """
    case = list(range(_case_columns(table)))
    last = max((place for place, column in enumerate(table.columns) if column.is_figure), default=len(case) - 1)
    ends = range(last + 1, len(table.columns))
    rest = list(range(len(case), last + 1))
    parts: list[RichTable] = []
    while rest:
        fitting = [
            (count, part, widths)
            for count in range(1, len(rest) + 1)
            if (part := _columns_of(table, [*case, *rest[:count], *ends]))
            and (widths := _fitting_widths(part, with_intervals, room)) is not None
        ]
        if not fitting:
            return []
        count, part, widths = fitting[-1]
        parts.append(_grid(part, widths, with_intervals))
        rest = rest[count:]
    return parts


def _case_columns(table: Table) -> int:
    """Return how many columns at the left say which case a row is.

    These are the ones with words, and those with numbers without which two rows would look the same.
    """
    words = next((place for place, column in enumerate(table.columns) if column.is_figure), len(table.columns))
    for count in range(words, len(table.columns)):
        if len({tuple(cell.text for cell in row[:count]) for row in table.rows}) == len(table.rows):
            return count
    return words


def _list_rows(table: Table, console: Console) -> None:
    for place, row in enumerate(table.rows):
        if place:
            console.print()
        for column, cell in zip(table.columns, row, strict=True):
            if cell.text:
                heading = f"{printable(column.title)}: " if column.title else ""
                console.print(Text(heading, style="dim").append_text(_text(cell)))


def _fitting_widths(
    table: Table, with_intervals: bool, room: int, *, longest_word: int | None = None
) -> list[int] | None:
    """Return the width of each column in a terminal of `room` columns, or None where the table is too wide.

    Figures stay whole; other text and headings wrap at spaces, where they must, and within words that are longer
    than `longest_word`.
    """
    widths, wishes = [], []
    for place, column in enumerate(table.columns):
        texts = [_text(row[place], with_intervals) for row in table.rows]
        words = [word for text in (Text(column.title), *texts) for word in text.plain.split()]
        if column.is_figure:
            words = column.title.split()
        whole = [text.cell_len for text in texts]
        wishes.append(max([*whole, Text(column.title).cell_len]))
        parts = [min(Text(word).cell_len, longest_word or room) for word in words]
        widths.append(max([*(whole if column.is_figure else ()), *parts, 1]))
    left = room - sum(widths) - _GAP * len(widths)
    if left < 0:
        return None
    for _ in range(min(left, sum(wishes) - sum(widths))):
        # To the column that would have the most lines.
        neediest = max(range(len(widths)), key=lambda place: wishes[place] / widths[place])
        widths[neediest] += 1
    return widths


def _grid(table: Table, widths: Sequence[int], with_intervals: bool) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for column, width in zip(table.columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.is_figure else "left"
        shown.add_column(Text(printable(column.title)), justify=justify, width=width, overflow="fold")
    for row in table.rows:
        shown.add_row(*(_text(cell, with_intervals) for cell in row))
    return shown


def _text(cell: Cell, with_interval: bool = True) -> Text:
    text = Text(printable(cell.text))
    if cell.interval and with_interval:
        text.append(f" ({cell.interval})", style="dim")
    return text
