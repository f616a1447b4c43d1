"""How far a sweep is, on standard error."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

import pptsn.runtime.base.progress
from pptsn.benchmarks.sweep.cells import Cell
from pptsn.runtime.base.closing import Closing

# What a cell's process costs beside its crops, in crops: the start, decoding, the small things.
_OVERHEAD_CROPS = 10
_BAR_WIDTH = 16


class SweepProgress(Closing):
    """A bar of cells with an estimate of the rest, or nothing where standard error is no terminal.

    It is drawn anew only between cells: redrawing it meanwhile would take time from what is measured.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        console = pptsn.runtime.base.progress.notes()
        self._bar = Progress(
            BarColumn(bar_width=_BAR_WIDTH, table_column=Column(min_width=_BAR_WIDTH)),
            TextColumn(
                "{task.completed} of {task.total} cells{task.fields[left]}; now {task.description}",
                table_column=Column(no_wrap=True, overflow="ellipsis"),
            ),
            console=console,
            disable=pptsn.runtime.base.progress.QUIET or not console.is_terminal,
            transient=True,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=len(cells), left="")
        self._started_s = time.monotonic()
        self._bar.start()

    def before(self, number: int, cell: Cell) -> None:
        """Show that `number` cells are done and that `cell` is next."""
        left_s = time_left_s(self._cells, number, time.monotonic() - self._started_s)
        left = "" if left_s is None else f", about {_spoken(left_s)} left"
        self._bar.update(self._task, completed=number, description=str(cell), left=left, refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def time_left_s(cells: Sequence[Cell], done: int, elapsed_s: float) -> float | None:
    """Return the seconds that the cells after the first `done` will take, by their crops; None for 0."""
    costs = [cell.crops + _OVERHEAD_CROPS for cell in cells]
    spent = sum(costs[:done])
    return elapsed_s * sum(costs[done:]) / spent if spent else None


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
