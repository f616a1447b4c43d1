"""The command `pptsn bench stages`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pptsn.cli.bench.options import (
    LeastOption,
    ModelOption,
    OutputOption,
    RepeatsOption,
    SegmentsOption,
    ViewsOption,
    new_method,
)
from pptsn.cli.from_settings import from_settings
from pptsn.runtime.engines.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCES_HELP = (
    "Video files, folders (all videos below, or extracted frames), patterns, or @LIST: one source a line."
)
# So many names of sources are told one by one.
_NAMED = 3


@from_settings
def stages(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help=_SOURCES_HELP)],
    model: ModelOption,
    runner: EngineSettings,
    segments: SegmentsOption = 25,
    views: ViewsOption = "ten",
    repeats: RepeatsOption = 5,
    seconds: LeastOption = 3.0,
    output: OutputOption = None,
) -> None:
    """Show where the time of classifying videos goes, name the bottleneck, and say what to try.

    Sources that cannot be read are reported and the others go on; the exit code is then 1.

    Example: pptsn bench stages clips/ --model model.onnx -o stages.html
    """
    from pptsn.benchmarks.measure.publishing import check_outputs, publish
    from pptsn.benchmarks.stages.measuring import Subject, measure_stages
    from pptsn.runtime.base.progress import notes, print_note
    from pptsn.runtime.classify.sources import expand_sources

    found = expand_sources(sources, note=print_note)
    check_outputs(output, inputs=[model, *sources, *found])
    method = new_method(repeats, seconds)
    with runner.open(model) as engine:
        for note in engine.notes:
            print_note(note)
        subject = Subject(engine=engine, model=Path(model).name, sources=found, clips=name_of(sources))
        with notes().status(f"classifying {len(found)} source(s) again and again"):
            result = measure_stages(subject, method=method, segments=segments, views=views)
    failed: list[str] = result.facts["failed"]
    _report(failed)
    publish([result], outputs=output, method=method, top_line=result.sentence)
    if failed:
        raise typer.Exit(1)


def _report(failed: Sequence[str]) -> None:
    from pptsn.runtime.base.progress import LineConsole

    errors = LineConsole(stderr=True, highlight=False, soft_wrap=True)
    for line in failed:
        errors.print(f"pptsn: error: {line}", style="red", markup=False)


def name_of(arguments: Sequence[str]) -> str:
    """Return what to call the clips that `arguments` name, the same on any machine: the last parts of paths."""
    names = [Path(argument).name or argument for argument in arguments]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
