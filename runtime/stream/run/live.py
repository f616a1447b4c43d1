"""One run of `pptsn stream`, from its options to its exit code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from pptsn.runtime.base import progress
from pptsn.runtime.base.errors import InputError, ModelError, PptsnError, UsageError
from pptsn.runtime.base.temporary import remove_temporaries
from pptsn.runtime.credentials.redaction import advice_on_passwords
from pptsn.runtime.engines import Engine
from pptsn.runtime.frames import picture_size
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.run.losses import (
    events_that_did_not_come,
    idle_outputs,
    lines_left_out,
    lost_messages,
    lost_recordings,
)
from pptsn.runtime.stream.run.outputs import outputs_of
from pptsn.runtime.stream.run.reporting import Reporter, write_summary
from pptsn.runtime.stream.run.settings import TOKEN_VARIABLE, LiveRun, OutputSettings
from pptsn.runtime.stream.run.stopping import reader_watch, stop_signals
from pptsn.runtime.stream.sinks.terminal import print_line
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.registry import kind_of
from pptsn.runtime.stream.sources.uri import expand_stream_sources

_POLL_S = 0.2
# For printing the last lines.
_LAST_LINES_S = 1.0


def run_live(run: LiveRun) -> int:
    """Classify the sources until they have ended, or until Ctrl-C, SIGTERM or SIGHUP; return the exit code.

    It ends as well when standard output was all there is to write to, and its reader has gone.
    Raises PptsnError for what is wrong from the beginning, and where the engine fails.
    """
    # A list may be a pipe to which nobody writes: Ctrl-C ends the program at once, until somebody minds the stop.
    notes: list[str] = []
    named = list(_with_connected_input(expand_stream_sources(run.sources, note=notes.append)))
    reporter = Reporter(print_line)
    with stop_signals() as stop:
        try:
            for note in (*notes, *_advice(run)):
                reporter.note(f"note: {note}")
            code = _classify(run, named, reporter, stop)
        finally:
            printed = reporter.close(_LAST_LINES_S, is_told_to_stop=stop.is_set)
        if not printed:  # the terminal is stuck, and what else prints there would wait with it
            remove_temporaries()
            os._exit(code)
    return code


def _refuse_empty_token(settings: OutputSettings) -> None:
    """Raise UsageError where a token was meant and there is none: all of this machine could read the page."""
    if settings.http is not None and settings.http_token is None and os.environ.get(TOKEN_VARIABLE) == "":
        raise UsageError(
            TOKEN_VARIABLE, "is empty", "set it to the page's token, or unset it for a page without one"
        )


def _classify(
    run: LiveRun, named: Sequence[SourceUri | InputError], reporter: Reporter, stop: threading.Event
) -> int:
    _refuse_empty_token(run.outputs)
    picture_size.most_bytes()  # a bad value is the whole run's, not the fault of each of its streams
    uris = [uri for uri in named if not isinstance(uri, InputError)]
    unusable = [error for error in named if isinstance(error, InputError)]
    outputs = outputs_of(run.outputs, uris, inputs=_files_of(run, uris))
    with run.runner.open(run.model) as engine:
        notes = _EngineNotes(engine, reporter)
        notes.tell()
        rules = run.events.rules(engine.spec.labels)
        pipeline = StreamPipeline(
            engine,
            run.settings,
            rules,
            record=None if outputs.recordings is None else outputs.recordings.next_file,
            report=reporter.line,
        )
        if progress.VERBOSE:
            for detail in engine.details or (engine.description,):
                reporter.note(detail)
        for error in unusable:
            reporter.line(f"error: {error}")
        for line in idle_outputs(outputs.sinks, rules):
            reporter.note(line)
        with pipeline:
            if not stop.is_set():
                outputs.open(pipeline, reporter.note)
                reporter.note(f"note: {run.settings.told(engine.spec)}")
                gone = reader_watch() if outputs.need_reader else lambda: False
                _run_streams(pipeline, uris, stop, gone, notes)
        streams, sinks = pipeline.health(whole_run=True), pipeline.sinks()
        if not progress.QUIET:
            reporter.do(lambda: write_summary(streams, sinks))
        losses = [*lost_messages(sinks), *lost_recordings(streams)]
        for line in (*losses, *lines_left_out(sinks)):
            reporter.line(line)
        for line in (*idle_outputs(outputs.sinks, rules), *events_that_did_not_come(streams, rules)):
            reporter.note(line)
        _check_engine(pipeline, run.model)
    return pipeline.exit_code or int(bool(unusable or losses))


def _advice(run: LiveRun) -> Iterator[str]:
    """Yield what to do about passwords in the program's arguments."""
    if advice := advice_on_passwords([*run.sources, *run.outputs.outputs]):
        yield advice
    token = run.outputs.http_token
    if token and token != os.environ.get(TOKEN_VARIABLE):
        yield f"--http-token is a password, and `ps` shows it to all; set {TOKEN_VARIABLE} in its place"


def _files_of(run: LiveRun, uris: Sequence[SourceUri]) -> list[str]:
    """Return all that the run reads."""
    files = (kind_of(uri).file_of(uri) for uri in uris)
    return [run.model, *run.sources, *(str(file) for file in files if file is not None)]


def _with_connected_input(named: Sequence[SourceUri | InputError]) -> Iterator[SourceUri | InputError]:
    """Yield what is named, with an error for standard input where the program was started without one."""
    for uri in named:
        closed = isinstance(uri, SourceUri) and kind_of(uri).reads_stdin and sys.stdin is None
        yield InputError("standard input", "is closed", "pipe a video into the program") if closed else uri


class _EngineNotes:
    """Tells what is to be known of the engine, each line once."""

    def __init__(self, engine: Engine, reporter: Reporter) -> None:
        self._engine, self._reporter, self._told = engine, reporter, 0

    def tell(self) -> None:
        """Tell what has come up since the last time."""
        lines = self._engine.notes
        for note in lines[self._told :]:
            self._reporter.note(f"note: {note}")
        self._told = len(lines)


def _run_streams(
    pipeline: StreamPipeline,
    uris: Sequence[SourceUri],
    stop: threading.Event,
    gone: Callable[[], bool],
    notes: _EngineNotes,
) -> None:
    if not uris:
        return
    for uri in uris:
        pipeline.add(uri)
    pipeline.start()
    while not (stop.is_set() or gone() or _is_over(pipeline)):
        notes.tell()


def _is_over(pipeline: StreamPipeline) -> bool:
    try:
        return pipeline.wait(_POLL_S)
    except Exception:  # the engine's; `_check_engine` meets it again, when all is closed
        return True


def _check_engine(pipeline: StreamPipeline, model: str) -> None:
    """Raise what the engine raised, as one line: engines have errors of all kinds."""
    try:
        pipeline.wait(0)
    except PptsnError:
        raise
    except Exception as error:
        raise ModelError(model, f"the engine failed ({type(error).__name__}: {error})") from error
