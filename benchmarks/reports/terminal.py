"""The tables of a report on a terminal, by Rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from benchmarks.reports.tables import Cell, SectionView, Table, section_views
from benchmarks.results import Report
from runtime.results import printable

# What is piped has no width of its own; a table takes no more than it needs.
_PIPED_WIDTH = 240
# Between columns.
_GAP = 2


def output_console() -> Console:
    """Return the console for standard output."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPED_WIDTH)


def show_report(report: Report, console: Console) -> None:
    """Print the tables section by section, then what they mean, then what makes the figures doubtful."""
    views = section_views(report)
    for view in views:
        _show_section(view, console)
    for sentence in (sentence for view in views for sentence in view.sentences):
        console.print(Text(printable(sentence)))
    for warning in report.noise.get("warnings") or ():
        show_warning(str(warning), console)


def show_warning(warning: str, console: Console) -> None:
    """Print a line that deserves attention."""
    console.print(Text(f"warning: {printable(warning)}", style="yellow"))


def _show_section(view: SectionView, console: Console) -> None:
    title = Text(view.title, style="bold")
    title.append(f"  {printable(view.shared)}" if view.shared else "", style="not bold dim")
    console.print(title)
    for table in view.tables:
        show_table(table, console)
    for failure in view.failures:
        console.print(Text(f"failed: {printable(failure)}", style="red"))
    for note in view.notes:
        console.print(Text(f"note: {printable(note)}", style="dim"))
    console.print()


def show_table(table: Table, console: Console) -> None:
    """Print one table: with intervals if they fit, else without; what is wider still, row by row."""
    if table.caption:
        console.print(Text(printable(table.caption), style="italic"))
    for with_intervals in (True, False):
        widths = _fitting_widths(table, with_intervals, console.width)
        if widths is not None:
            console.print(_grid(table, widths, with_intervals))
            return
    for row in table.rows:
        for column, cell in zip(table.columns, row, strict=True):
            if cell.text:
                console.print(Text(f"{printable(column.title)}: ", style="dim").append_text(_text(cell)))
        console.print()


def _fitting_widths(table: Table, with_intervals: bool, room: int) -> list[int] | None:
    """Return the width of each column in a terminal of `room` columns, or None where the table is too wide.

    Figures stay whole; other text and headings wrap at spaces, where they must.
    """
    widths, wishes = [], []
    for place, column in enumerate(table.columns):
        texts = [_text(row[place], with_intervals) for row in table.rows]
        words = [word for text in (Text(column.title), *texts) for word in text.plain.split()]
        if column.is_figure:
            words = column.title.split()
        whole = [text.cell_len for text in texts]
        wishes.append(max([*whole, Text(column.title).cell_len]))
        widths.append(max([*(whole if column.is_figure else ()), *(Text(word).cell_len for word in words), 1]))
    left = room - sum(widths) - _GAP * len(widths)
    if left < 0:
        return None
    for place, wish in enumerate(wishes):
        more = min(left, wish - widths[place])
        widths[place] += more
        left -= more
    return widths


def _grid(table: Table, widths: Sequence[int], with_intervals: bool) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for column, width in zip(table.columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.is_figure else "left"
        shown.add_column(Text(printable(column.title)), justify=justify, width=width)
    for row in table.rows:
        shown.add_row(*(_text(cell, with_intervals) for cell in row))
    return shown


def _text(cell: Cell, with_interval: bool = True) -> Text:
    text = Text(printable(cell.text))
    if cell.interval and with_interval:
        text.append(f" ({cell.interval})", style="dim")
    return text
