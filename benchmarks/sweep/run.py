"""All cells of a sweep in turn, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

import pptsn.runtime.base.progress
from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.sweep.cells import Cell, Job
from pptsn.benchmarks.sweep.clips import Clip
from pptsn.benchmarks.sweep.outcomes import Outcome
from pptsn.benchmarks.sweep.process import CellError, find_in_child
from pptsn.runtime.base.closing import Closing
from pptsn.runtime.classify.lists import evenly

CELL_TIMEOUT_S = 3600.0
# What a cell's process costs beside its crops, in crops: the start, decoding, the small things.
_OVERHEAD_CROPS = 10
_BAR_WIDTH = 16


def run_cells(
    cells: Sequence[Cell],
    clips: Sequence[Clip],
    *,
    method: Method,
    cell_timeout_s: float = CELL_TIMEOUT_S,
    before: Callable[[int, Cell], None] | None = None,
) -> Iterator[Outcome]:
    """Yield how each cell ended, as it does; `before` is told the number of each and the cell.

    Each cell has one process of its own for all its repeats.  A process shared by the cells of a model would start
    faster, but a peak of memory is a process's, and cannot be taken back: it would be that of the largest cell so
    far.  A process for each repeat would let cells take turns, as candidates do in `measure.method`, at the
    price of a start and a warm-up each; differences between cells are mostly larger than what a machine varies
    by, so the machine is watched before each cell instead, and what it did is in the report.
    """
    answered: set[object] = set()
    timed = evenly(range(len(clips)), method.least_iterations)
    for number, cell in enumerate(cells):
        if before is not None:
            before(number, cell)
        method.watch.look()
        job = Job(
            cell=cell,
            clips=tuple(clips),
            timed=tuple(timed),
            answer_all=cell.question not in answered,
            repeats=method.repeats,
            repeat_s=method.repeat_s,
            repeat_iterations=method.repeat_iterations,
        )
        try:
            findings = find_in_child(job, timeout_s=cell_timeout_s)
        except CellError as error:
            yield Outcome(cell, error=str(error))
            continue
        answered.add(cell.question)
        yield Outcome(cell, findings, size_mb=_size_mb(cell.model))
    method.watch.look()


def _size_mb(model: Path) -> float | None:
    try:
        return model.stat().st_size / 1e6
    except OSError:  # deleted since it was opened
        return None


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
