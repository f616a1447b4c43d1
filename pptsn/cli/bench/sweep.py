"""The command `pptsn bench sweep`.  Heavy imports wait until it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.bench.options import (
    DeviceOption,
    LeastOption,
    ModelsOption,
    OutputOption,
    RepeatsOption,
    ThreadsOption,
    new_method,
)
from pptsn.cli.requirements import require_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pptsn.benchmarks.measure.method import Method
    from pptsn.benchmarks.measure.results import Result
    from pptsn.benchmarks.sweep.cells import Cell
    from pptsn.benchmarks.sweep.clips import Clip
    from pptsn.benchmarks.sweep.outcomes import Outcome

_LIST_HELP = (
    "The clips: a list of lines `path label`, whose accuracy is then told; or one of paths alone, or a folder: "
    "then how often a model agrees with the first one at its best."
)


def sweep(
    model: ModelsOption,
    clips: Annotated[str, typer.Option("--list", help=_LIST_HELP)],
    views: Annotated[str, typer.Option(help="Crops of each frame, divided by commas.")] = "ten,three,center",
    segments: Annotated[str, typer.Option(help="Frames to look at of each clip, divided by commas.")] = "1,3,8,25",
    batch: Annotated[
        str, typer.Option(help="Crops a call of the engine, divided by commas; auto is what `classify` takes.")
    ] = "auto",
    backend: Annotated[
        str, typer.Option(help="What runs the models, as in `pptsn classify`, divided by commas.")
    ] = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take this many clips, evenly spread.")] = None,
    cell_timeout: Annotated[
        float, typer.Option(min=1.0, help="Seconds after which a cell is given up and counts as failed.")
    ] = 3600.0,
    repeats: RepeatsOption = 3,
    seconds: LeastOption = 3.0,
    output: OutputOption = None,
) -> None:
    """Measure every combination of model, backend, views, segments and batch: accuracy, speed, memory, energy.

    Each cell runs in a process of its own.  One that fails says why, the others go on, and the exit code is 1.
    Latency and throughput are of ten clips, evenly spread; the accuracy is of all.

    Example: pptsn bench sweep --model m.onnx --model m.int8.onnx --list test.txt --views ten,center -o sweep.html
    """
    require_runner(*model)
    from pptsn.benchmarks.measure.publishing import check_outputs, end, kept_in
    from pptsn.benchmarks.sweep.cells import cells_of
    from pptsn.benchmarks.sweep.clips import read_clips
    from pptsn.benchmarks.sweep.outcomes import results_of

    check_outputs(output, inputs=[*model, clips])
    cells = cells_of(
        model,
        _names(backend),
        _names(views),
        _numbers("--segments", segments),
        [None if name == "auto" else _number("--batch", name) for name in _names(batch)],
        device=device,
        threads=threads,
    )
    found_clips = read_clips(clips, limit=limit)
    method = new_method(repeats, seconds)
    keep = kept_in(output, method)
    outcomes, ending = _run(
        cells, found_clips, method, cell_timeout, keep=lambda outcomes: keep(results_of(outcomes, found_clips))
    )
    results = results_of(outcomes, found_clips)
    if results:
        _publish(results, output, method)
    end(results, ending)


def _run(
    cells: Sequence[Cell],
    clips: Sequence[Clip],
    method: Method,
    timeout_s: float,
    *,
    keep: Callable[[Sequence[Outcome]], None],
) -> tuple[list[Outcome], BaseException | None]:
    """Return the outcomes, and what ended it: what was measured until then is kept."""
    from pptsn.benchmarks.measure.publishing import gathered
    from pptsn.benchmarks.sweep.run import SweepProgress, run_cells
    from pptsn.runtime.base.progress import notes
    from pptsn.runtime.base.stopping import say_stopped

    def shown(outcome: Outcome) -> Outcome:
        if outcome.error:
            notes().print(f"pptsn: error: {outcome.cell}: {outcome.error}", style="red", markup=False)
        return outcome

    with SweepProgress(cells) as progress:
        running = run_cells(cells, clips, method=method, cell_timeout_s=timeout_s, before=progress.before)
        outcomes, ending = gathered(map(shown, running), keep=keep)
    if isinstance(ending, KeyboardInterrupt):
        done = f"{len(outcomes)} of {len(cells)} cells were measured, and are kept"
        say_stopped(done)
    return outcomes, ending


def _publish(results: Sequence[Result], outputs: list[str] | None, method: Method) -> None:
    from pptsn.benchmarks.measure.publishing import publish
    from pptsn.benchmarks.sweep.pareto import recommended
    from pptsn.runtime.base.progress import notes

    lost = max((result.facts.get("unreadable", 0) for result in results), default=0)
    if lost:
        line = f"pptsn: warning: {lost} of the clips cannot be read and count as wrong; the report names them"
        notes().print(line, style="yellow", markup=False)
    choice = recommended(results)
    publish(list(results), outputs=outputs, method=method, top_line=choice[1] if choice else "")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(option: str, text: str) -> list[int]:
    return [_number(option, name) for name in _names(text)]


def _number(option: str, name: str) -> int:
    from pptsn.runtime.base.errors import UsageError

    try:
        return int(name)
    except ValueError:
        raise UsageError(option, f"expected a whole number, got {name!r}") from None
