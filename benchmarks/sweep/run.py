"""All cells of a sweep in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.sweep.cells import Cell
from pptsn.benchmarks.sweep.child import CellError, find_in_child
from pptsn.benchmarks.sweep.clips import Clip, read_clips
from pptsn.benchmarks.sweep.job import Job
from pptsn.benchmarks.sweep.outcomes import Outcome, results_of
from pptsn.runtime.classify.lists import evenly

CELL_TIMEOUT_S = 3600.0


def sweep(
    cells: Sequence[Cell],
    *,
    list_path: str | Path,
    method: Method,
    limit: int | None = None,
    cell_timeout_s: float = CELL_TIMEOUT_S,
) -> list[Result]:
    """Measure each of `cells` on the clips of a list; return a result for each, in their order.

    list_path, limit: see `clips.read_clips`.  cell_timeout_s: after that a cell counts as failed.
    Raises InputError for a list that cannot be used.  A cell that fails has an `error`, and the others go on.
    """
    clips = read_clips(list_path, limit=limit)
    return results_of(list(run_cells(cells, clips, method=method, cell_timeout_s=cell_timeout_s)), clips)


def run_cells(
    cells: Sequence[Cell],
    clips: Sequence[Clip],
    *,
    method: Method,
    cell_timeout_s: float = CELL_TIMEOUT_S,
    before: Callable[[int, Cell], None] | None = None,
) -> Iterator[Outcome]:
    """Yield how each cell ended, as it does; `before` is told the place of each and the cell.

    Each cell has one process of its own for all its repeats.  A process shared by the cells of a model would start
    faster, but a peak of memory is a process's, and cannot be taken back: it would be that of the largest cell so
    far.  A process for each repeat would let cells take turns, as candidates do in `measure.method`, at the
    price of a start and a warm-up each; differences between cells are mostly larger than what a machine varies
    by, so the machine is watched before each cell instead, and what it did is in the report.
    """
    answered: set[object] = set()
    places = evenly(range(len(clips)), method.least_iterations)
    for number, cell in enumerate(cells):
        if before is not None:
            before(number, cell)
        method.watch.look()
        job = Job(
            model=str(cell.model),
            backend=cell.backend,
            device=cell.device,
            threads=cell.threads,
            views=cell.views,
            segments=cell.segments,
            batch=cell.batch,
            clips=tuple(clips),
            timed=tuple(places),
            answer_all=cell.question not in answered,
            repeats=method.repeats,
            least_s=method.least_s,
            least_iterations=method.least_iterations,
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
