"""The command `pptsn classify`.  Heavy imports wait until it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pptsn.cli.device_options import ModelOption
from pptsn.cli.from_settings import from_settings
from pptsn.cli.requirements import require
from pptsn.runtime.classify.gallery.names import GALLERY_HELP, PICTURES, check_gallery_name
from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.classify.sinks.names import (
    OUTPUT_HELP,
    PARQUET,
    STANDARD_OUTPUT,
    Sort,
    check_evidence_goes,
    ending_of,
    output_names,
)
from pptsn.runtime.engines.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console

    from pptsn.runtime.classify.origin import Terms
    from pptsn.runtime.classify.results import Classification, Failure
    from pptsn.runtime.classify.sinks.arranging import Arrangement
    from pptsn.runtime.classify.sinks.base import ResultSink
    from pptsn.runtime.classify.sources import Asked
    from pptsn.runtime.classify.summary import Summary
    from pptsn.runtime.frames.protocols import Protocol
    from pptsn.runtime.recognizer import Recognizer

_SOURCES_HELP = (
    "Video files, also of web servers (https://...), folders (all videos below, or extracted frames), patterns, "
    "or @LIST: one source a line; with labels behind them, as in training lists, right and wrong are told."
)
_EVIDENCE_HELP = "Say how much each moment and each crop speaks for the leading class."
_RESUME_HELP = (
    "Go on with the files of --output: skip unchanged sources that have their answer, try failures again."
)
_SORT_HELP = "Doubtful answers first: by the leading score, or by its margin over the second; all at the end."
_BELOW_HELP = "Show and write only answers whose leading score is below this, and failures."


@from_settings
def classify(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help=_SOURCES_HELP)],
    model: ModelOption,
    settings: ClassifySettings,
    runner: EngineSettings,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show of each source.")] = 5,
    output: Annotated[list[str] | None, typer.Option("--output", "-o", help=OUTPUT_HELP)] = None,
    evidence: Annotated[bool, typer.Option("--evidence", help=_EVIDENCE_HELP)] = False,
    gallery: Annotated[str | None, typer.Option(metavar="FILE.html", help=GALLERY_HELP)] = None,
    resume: Annotated[bool, typer.Option("--resume", help=_RESUME_HELP)] = False,
    sort: Annotated[Sort | None, typer.Option(help=_SORT_HELP)] = None,
    below: Annotated[float | None, typer.Option(min=0, max=1, metavar="SCORE", help=_BELOW_HELP)] = None,
) -> None:
    """Name the action in each video.

    Sources that cannot be read, or of which nearly all pictures are damaged, are reported and the others go on;
    the exit code is then 1. Each answer is written as soon as it is there, so that all of them stay however the
    run ends.

    Example: pptsn classify clips/ --model model.onnx --output answers.csv
    """
    from pptsn.runtime.base.lines import ReaderGoneError
    from pptsn.runtime.base.memory import return_freed_memory
    from pptsn.runtime.base.progress import notes, print_note
    from pptsn.runtime.base.stopping import keeping
    from pptsn.runtime.classify.origin import Terms
    from pptsn.runtime.classify.sinks.arranging import Arrangement
    from pptsn.runtime.classify.sinks.resuming import answered_before, rows_to_resume, still_to_do
    from pptsn.runtime.classify.sources import expand_clips, name_of
    from pptsn.runtime.credentials.redaction import advice_on_passwords
    from pptsn.runtime.model.file import digest_of, protocol_of, spec_of
    from pptsn.runtime.recognizer import Recognizer

    return_freed_memory()
    if advice := advice_on_passwords(sources):
        print_note(advice)
    spec = spec_of(model)
    names = expand_clips(sources, classes=spec.classes if spec else None, note=print_note)
    _refuse_inputs(output or [], gallery, inputs=[model, *sources, *map(name_of, names)])
    outputs = output_names(output or ())
    settings = _for_outputs(settings, outputs, gallery, evidence=evidence)
    files = [name for name in outputs if name != STANDARD_OUTPUT]
    earlier = rows_to_resume(files, below=below) if resume else []
    left = still_to_do(names, earlier, labels=spec.labels if spec else ()) if resume else names
    before = len(set(map(name_of, names))) - len(left) if resume else 0
    arrangement = Arrangement(resumes=resume, sources=[name_of(each) for each in names], sort=sort)
    crops = settings.changing(protocol_of(model)).crops(len(left))
    with Recognizer(runner.open(model, crops=crops)) as recognizer:
        top = min(top, len(recognizer.spec.labels))  # a table has columns for each
        protocol = settings.changing(recognizer.spec.protocol)
        results: Iterable[Classification | Failure] = recognizer.classify_by(settings, left, note=print_note)
        if outputs:  # what is shown says nothing of where it comes from
            terms = Terms.of(digest_of(model), settings, protocol, top=top)
            for each in earlier:
                each.require(terms)
            results = _with_origins(results, left, terms)
        if resume:
            print_note(f"{len(left)} of {before + len(left)} sources left to answer")
        told = _with_notes(recognizer, results)
        page = _page(gallery, model, protocol, sort=sort, answered=answered_before(earlier, left))
        kept = keeping("what was answered until now is kept")
        try:
            with kept, _sinks(outputs, top=top, arrangement=arrangement, page=page) as sinks:
                summary = _show(told, len(left), sinks, below=below)
        except ReaderGoneError:  # as with `| head`: no failure to speak of
            raise typer.Exit(1) from None
        if len(left) > 1:  # now that the files are what they are to be
            written = [name for name in (*files, gallery) if name]
            notes().print(f"pptsn: {summary.line(files=written, before=before)}", markup=False)
        _tell_details(recognizer, protocol)
    if summary.failed:
        raise typer.Exit(1)


def _refuse_inputs(outputs: Iterable[str], gallery: str | None, *, inputs: list[str]) -> None:
    """Raise UsageError where an output, as it was named, or the gallery would replace one of `inputs`."""
    from pptsn.runtime.base.files import refuse_overwriting
    from pptsn.runtime.classify.sinks.opening import files_of

    for path in chain.from_iterable(map(files_of, outputs)):
        refuse_overwriting(path, inputs)
    if gallery is not None:
        refuse_overwriting(gallery, inputs, option="--gallery")


def _for_outputs(
    settings: ClassifySettings, outputs: list[str], gallery: str | None, *, evidence: bool
) -> ClassifySettings:
    """Return `settings` with what the outputs are to have; raises PptsnError where that cannot be."""
    if any(ending_of(name) == PARQUET for name in outputs):
        require("pyarrow", "a .parquet file", extra="parquet")
    if gallery is not None:
        check_gallery_name(gallery)
    elif evidence:
        check_evidence_goes(outputs)
    return replace(settings, evidence=evidence, pictures=0 if gallery is None else PICTURES)


def _with_origins(
    results: Iterable[Classification | Failure], sources: list[Asked], terms: Terms
) -> Iterator[Classification | Failure]:
    """Yield the results, one of each source, with the files that they come from as they were at the beginning.

    Those of web servers are as they were when they were read.
    """
    from pptsn.runtime.classify.origin import stamp_of_served
    from pptsn.runtime.classify.results import Classification
    from pptsn.runtime.classify.sources import name_of

    origins = [terms.origin(name_of(source)) for source in sources]
    for result, origin in zip(results, origins, strict=True):
        if isinstance(result, Classification):
            stamp = origin.stamp or stamp_of_served(result.served)
            result = replace(result, origin=replace(origin, stamp=stamp))
        yield result


def _with_notes(
    recognizer: Recognizer, results: Iterable[Classification | Failure]
) -> Iterator[Classification | Failure]:
    """Yield the results, and print what is to be known of the engine: now, and what comes up on the way."""
    from pptsn.runtime.base.progress import print_note

    told = 0
    for result in chain((None,), results):
        for note in recognizer.notes[told:]:
            print_note(note)
        told = len(recognizer.notes)
        if result is not None:
            yield result


def _tell_details(recognizer: Recognizer, protocol: Protocol) -> None:
    """Print how clips were looked at and what ran the model, for who asks."""
    from pptsn.runtime.base.progress import print_detail

    print_detail(f"looked at by {protocol}")
    for detail in recognizer.details:
        print_detail(detail)


def _page(
    name: str | None, model: str, protocol: Protocol, *, sort: Sort | None, answered: Iterable[Mapping[str, Any]]
) -> AbstractContextManager[ResultSink] | None:
    """Return what opens the gallery `name`, if there is to be any.  answered: by earlier runs."""
    if name is None:
        return None
    from pptsn.runtime.classify.gallery.sink import Gallery

    about = {"model": Path(model).name, "looked_at": str(protocol), "order": sort.value if sort else ""}
    return Gallery.open(name, about=about, answered=answered)


@contextmanager
def _sinks(
    outputs: list[str], *, top: int, arrangement: Arrangement, page: AbstractContextManager[ResultSink] | None
) -> Iterator[list[ResultSink]]:
    """Yield where the results go: files and a page, if there are any, before what shows them."""
    from pptsn.runtime.base.lines import ReaderGoneError
    from pptsn.runtime.base.progress import QUIET
    from pptsn.runtime.classify.sinks.arranging import sorted_at_the_end
    from pptsn.runtime.classify.sinks.opening import open_output
    from pptsn.runtime.classify.sinks.terminal import shown_results

    with ExitStack() as opened:
        pages = [] if page is None else [opened.enter_context(page)]
        sinks = [opened.enter_context(open_output(name, top=top, arrangement=arrangement)) for name in outputs]
        if STANDARD_OUTPUT in outputs:
            shown = sinks.pop(outputs.index(STANDARD_OUTPUT))
        elif not ((outputs or pages) and QUIET):
            shown = opened.enter_context(shown_results(top=top))
        else:
            yield [*pages, *sinks]
            return
        if arrangement.sort is not None:
            if pages or sinks:  # the files are whole without the reader of what is shown, as in `_write`
                opened.enter_context(suppress(ReaderGoneError))
            shown = opened.enter_context(sorted_at_the_end(shown, arrangement.sort))
        yield [*pages, *sinks, shown]


def _show(
    results: Iterable[Classification | Failure],
    total: int,
    sinks: list[ResultSink],
    *,
    below: float | None,
) -> Summary:
    """Write the results as they come, and return what there is to say of all.

    below: answers of that score and more are counted alone.
    """
    from pptsn.runtime.base.progress import LineConsole, progress_bar
    from pptsn.runtime.classify.results import is_doubtful
    from pptsn.runtime.classify.summary import Summary

    errors = LineConsole(stderr=True, highlight=False, soft_wrap=True)
    summary = Summary(below=below)
    with progress_bar(errors) as bar:
        task = bar.add_task("classifying", total=total)
        for result in results:
            if is_doubtful(result, below):
                _write(result, sinks)
            _tell(result, errors)
            summary.count(result)
            bar.advance(task)
    return summary


def _write(result: Classification | Failure, sinks: list[ResultSink]) -> None:
    """Write `result` to all of `sinks`; where the reader of one has gone, the others go on without it."""
    from pptsn.runtime.base.lines import ReaderGoneError

    for sink in tuple(sinks):
        try:
            sink.write(result)
        except ReaderGoneError:
            sinks.remove(sink)
            if not sinks:
                raise


def _tell(result: Classification | Failure, errors: Console) -> None:
    """Print why a source failed, or what was odd about it."""
    from pptsn.runtime.base.errors import spelled
    from pptsn.runtime.base.progress import notes
    from pptsn.runtime.classify.results import Failure

    if isinstance(result, Failure):
        errors.print(f"pptsn: error: {result.error}", style="red", markup=False)
        return
    for warning in result.warnings:
        line = f"pptsn: warning: {spelled(result.source)}: {warning}"
        notes().print(line, style="yellow", markup=False)
