"""The command `pptsn bench run`.  Heavy imports wait until it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pptsn.cli.bench.options import (
    LeastOption,
    ModelOption,
    OutputOption,
    RepeatsOption,
    new_method,
)
from pptsn.cli.from_settings import from_settings
from pptsn.cli.requirements import require_runner
from pptsn.runtime.engines.settings import EngineSettings


@from_settings
def run(
    *,
    model: ModelOption,
    runner: EngineSettings,
    int8: Annotated[
        Path | None, typer.Option(help="The same model in INT8; scenarios, live streams and stages then run it.")
    ] = None,
    sweep_model: Annotated[
        list[Path] | None,
        typer.Option(help="A model for the sweep; repeatable. If not given, --model and --int8."),
    ] = None,
    clips: Annotated[
        str | None,
        typer.Option("--list", help="Labelled clips for the sweep: `path label` a line. Without it, no sweep."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="The parts to run, divided by commas: scenarios, live, stages, sweep. If not given, all "
            "that the model and the list allow."
        ),
    ] = None,
    latency_bound: Annotated[
        float, typer.Option(min=1, help="Milliseconds: most that p99 may be, of Server and of live streams.")
    ] = 100.0,
    folder: Annotated[Path, typer.Option(help="Where clips are made that are missing.")] = Path("output/bench"),
    repeats: RepeatsOption = 5,
    seconds: LeastOption = 3.0,
    output: OutputOption = None,
) -> None:
    """Measure everything, in minutes: scenarios, live streams, stages, a sweep.

    Each part has a command of its own, with more to choose. A part that fails says why, the others go on, and the
    exit code is 1.

    Example: pptsn bench run --model model.onnx --int8 model.int8-cpu.onnx --list test.txt -o report.html
    """
    require_runner(model)
    from pptsn.benchmarks.measure.publishing import check_outputs, end, gathered, kept_in, publish
    from pptsn.benchmarks.suite import Subject, parts_to_run, run_parts
    from pptsn.runtime.base.errors import UsageError
    from pptsn.runtime.base.memory import return_freed_memory
    from pptsn.runtime.base.progress import notes
    from pptsn.runtime.base.stopping import say_stopped

    def tell(line: str) -> None:
        notes().print(f"pptsn: {line}", markup=False)

    if sweep_model and clips is None:
        raise UsageError("--sweep-model", "is for a sweep, which needs clips", "name their list by --list")
    subject = Subject(
        model=Path(model),
        int8=int8,
        swept=tuple(sweep_model or [Path(model), *([int8] if int8 else [])]),
        clips=clips,
        folder=folder,
        latency_bound_ms=latency_bound,
        runner=runner,
    )
    check_outputs(output, inputs=[model, int8, *subject.swept, clips])
    subject.check()
    parts, remarks = parts_to_run(only, subject)
    for remark in remarks:
        tell(f"note: {remark}")
    method = new_method(repeats, seconds)
    return_freed_memory()
    results, ending = gathered(run_parts(parts, subject, method, tell=tell), keep=kept_in(output, method))
    if isinstance(ending, KeyboardInterrupt):
        say_stopped("what was measured until now is kept")
    publish(results, outputs=output, method=method)
    end(results, ending)
