"""The commands that run on a device: classify, stream and doctor.  Heavy imports wait until a command runs."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

import runtime.stream.cli
from runtime.options import BackendOption, DeviceOption, ModelOption, SegmentsOption, ThreadsOption, ViewsOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.results import Classification, Failure

_SOURCES_HELP = (
    "Video files, folders (all videos below, or extracted frames), patterns, or @LIST: one source a line."
)


def mount(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(classify)
    runtime.stream.cli.mount(app)
    app.command()(doctor)


def classify(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help=_SOURCES_HELP)],
    model: ModelOption,
    segments: SegmentsOption = 25,
    views: ViewsOption = "ten",
    sampling: Annotated[
        str, typer.Option(help="Which frames: centre (published inference) or linspace.")
    ] = "centre",
    top: Annotated[int, typer.Option(min=1, help="How many classes to show of each source.")] = 5,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Write one JSON object a source; - prints.")
    ] = None,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Name the action in each video.

    Sources that cannot be read are reported and the others go on; the exit code is then 1.

    Example: pptsn classify clips/ --model model.onnx --output answers.jsonl
    """
    from runtime.files import refuse_overwriting
    from runtime.memory import return_freed_memory
    from runtime.progress import notes
    from runtime.recognizer import Recognizer
    from runtime.sinks import JsonLines
    from runtime.sources import expand_sources

    return_freed_memory()
    names = expand_sources(sources)
    if output:
        refuse_overwriting(output, [model, *sources, *names])
    with Recognizer.open(model, backend=backend, device=device, threads=threads) as recognizer:
        for note in recognizer.notes:
            notes().print(f"pptsn: note: {note}", markup=False)
        results = recognizer.classify_many(names, segments=segments, views=views, sampling=sampling)
        lines = JsonLines.open(output, top=top) if output else nullcontext(None)
        with lines as sink:
            failed, interrupted = _show(results, len(names), sink, top=top, quiet_table=output == "-")
    if interrupted:
        raise typer.Exit(130)
    if failed:
        raise typer.Exit(1)


def _show(
    results: Iterable[Classification | Failure], total: int, sink: object, *, top: int, quiet_table: bool
) -> tuple[int, bool]:
    """Print and write the results as they come; return how many failed, and whether the user stopped it.

    An interrupt ends the run in order: what was answered until then is kept.
    """
    from rich.console import Console

    from runtime.progress import notes, progress_bar
    from runtime.results import Failure, printable
    from runtime.sinks import JsonLines, Table

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    table = Table(Console(highlight=False), top=top)
    failed = 0
    try:
        with progress_bar(errors) as bar:
            task = bar.add_task("classifying", total=total)
            for result in results:
                if isinstance(sink, JsonLines):
                    sink.write(result)
                if isinstance(result, Failure):
                    failed += 1
                    errors.print(f"pptsn: error: {printable(str(result.error))}", style="red", markup=False)
                else:
                    for warning in result.warnings:
                        line = f"pptsn: warning: {printable(result.source)}: {warning}"
                        notes().print(line, style="yellow", markup=False)
                    if not quiet_table:
                        table.write(result)
                bar.advance(task)
    except KeyboardInterrupt:
        errors.print("pptsn: stopped; what was answered until now is kept", style="red")
        return failed, True
    return failed, False


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say what is installed, which engines and devices work, and what to install for the rest."""
    from rich.console import Console

    from runtime.doctor import examine, render

    findings = examine()
    if as_json:
        typer.echo(json.dumps(findings, indent=1))
    else:
        render(findings, Console(highlight=False))
