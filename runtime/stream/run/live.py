"""One run of `pptsn stream`, from its options to its exit code."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console

from pptsn.runtime.base import progress
from pptsn.runtime.base.errors import InputError, ModelError, PptsnError
from pptsn.runtime.base.files import refuse_overwriting
from pptsn.runtime.engines import open_engine
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.run.recordings import Recordings
from pptsn.runtime.stream.run.reporter import Reporter
from pptsn.runtime.stream.run.settings import LiveRun, OutputSettings
from pptsn.runtime.stream.run.stopping import reader_watch, stop_signals
from pptsn.runtime.stream.run.summary import print_summary
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import VideoDestination, split_options
from pptsn.runtime.stream.sinks.line_output import StandardOutput
from pptsn.runtime.stream.sinks.registry import parse_destination
from pptsn.runtime.stream.sinks.terminal import TroubleLines, print_line, terminal_sinks
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.registry import kind_of
from pptsn.runtime.stream.sources.uri import expand_stream_sources

_POLL_S = 0.2
# For printing the last lines.
_TELL_S = 1.0


@dataclass(frozen=True)
class _Outputs:
    """Where results go.  sinks: not open yet; page: whether there is a web page as well."""

    sinks: Sequence[Sink]
    videos: Sequence[VideoDestination]
    page: bool

    @property
    def prints_json(self) -> bool:
        """Whether standard output is for programs."""
        return any(sink.name == StandardOutput.name for sink in self.sinks)

    @property
    def shows_run(self) -> bool:
        """Whether standard output is for people: a table, or a line a prediction."""
        return not progress.QUIET and not self.prints_json

    @property
    def need_reader(self) -> bool:
        """Whether all is in vain without a reader of standard output."""
        others = any(sink.name != StandardOutput.name for sink in self.sinks) or self.videos or self.page
        return not others and (self.prints_json or self.shows_run)


def run_live(run: LiveRun) -> int:
    """Classify the sources until they have ended, or until Ctrl-C, SIGTERM or SIGHUP; return the exit code.

    It ends as well when standard output was all there is to write to, and its reader has gone.
    Raises PptsnError for what is wrong from the beginning, and where the engine fails.
    """
    reporter = Reporter(print_line)
    try:
        code = _classify(run, reporter)
    finally:
        told = reporter.close(_TELL_S)
    if not told:  # the terminal is stuck, and what else prints there would wait with it
        os._exit(code)
    return code


def _classify(run: LiveRun, reporter: Reporter) -> int:
    with stop_signals() as stop:
        named = list(_with_connected_input(expand_stream_sources(run.sources)))
        uris = [uri for uri in named if not isinstance(uri, InputError)]
        outputs = _outputs(run, uris)
        recordings = Recordings(outputs.videos, uris) if outputs.videos else None
        with open_engine(run.model, backend=run.backend, device=run.device, threads=run.threads) as engine:
            pipeline = StreamPipeline(
                engine,
                run.settings,
                run.events.rules(engine.spec.labels),
                record=None if recordings is None else recordings.path_for,
                report=reporter.line,
            )
            for note in engine.notes:
                _note(f"note: {note}", reporter)
            unusable = [error for error in named if isinstance(error, InputError)]
            for error in unusable:
                reporter.line(f"error: {error}")
            with pipeline:
                if not stop.is_set():
                    _open_sinks(pipeline, outputs, run.outputs, reporter)
                    _run_streams(pipeline, uris, stop, reader_watch() if outputs.need_reader else lambda: False)
            reporter.do(lambda: _summarise(pipeline))
            _check_engine(pipeline, run.model)
    return pipeline.exit_code or int(bool(unusable))


def _with_connected_input(named: Sequence[SourceUri | InputError]) -> Iterator[SourceUri | InputError]:
    """Yield what is named, with an error for standard input where the program was started without one."""
    for uri in named:
        closed = isinstance(uri, SourceUri) and kind_of(uri).reads_stdin and sys.stdin is None
        yield InputError("standard input", "is closed", "pipe a video into the program") if closed else uri


def _outputs(run: LiveRun, uris: Sequence[SourceUri]) -> _Outputs:
    destinations = [parse_destination(text, top=run.outputs.top) for text in run.outputs.outputs]
    files = (kind_of(uri).file_of(uri) for uri in uris)
    inputs = [run.model, *run.sources, *(str(file) for file in files if file is not None)]
    for text in run.outputs.outputs:
        refuse_overwriting(split_options(text)[0], inputs)
    sinks = [sink for sink in destinations if isinstance(sink, Sink)]
    videos = [video for video in destinations if isinstance(video, VideoDestination)]
    outputs = _Outputs(sinks, videos, page=run.outputs.http is not None)
    if outputs.prints_json and sys.__stdout__ is None:
        raise InputError("standard output", "is closed", "leave out --output -, or let it lead somewhere")
    return outputs


def _open_sinks(pipeline: StreamPipeline, outputs: _Outputs, settings: OutputSettings, reporter: Reporter) -> None:
    for sink in outputs.sinks:
        pipeline.add_sink(sink)
    if settings.http is not None:
        _open_page(pipeline, settings.http, settings, reporter)
    for sink in terminal_sinks(pipeline, top=settings.top) if outputs.shows_run else (TroubleLines(),):
        pipeline.add_sink(sink)


def _open_page(pipeline: StreamPipeline, address_text: str, settings: OutputSettings, reporter: Reporter) -> None:
    from pptsn.runtime.stream.sinks.web.address import parse_http_address
    from pptsn.runtime.stream.sinks.web.server import WebSink

    address = parse_http_address(address_text)
    page = WebSink(address.host, address.port, view=pipeline, token=settings.http_token, top=settings.top)
    pipeline.add_sink(page)
    _note(f"the web page is at {page.address.url}", reporter)


def _run_streams(
    pipeline: StreamPipeline, uris: Sequence[SourceUri], stop: threading.Event, gone: Callable[[], bool]
) -> None:
    if not uris:
        return
    for uri in uris:
        pipeline.add(uri)
    pipeline.start()
    while not (stop.is_set() or gone() or _is_over(pipeline)):
        pass


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


def _summarise(pipeline: StreamPipeline) -> None:
    if progress.QUIET:
        return
    text = io.StringIO()  # a console that writes by itself ends the program where nobody reads
    width, colours = Console(stderr=True).width, sys.stderr.isatty()
    console = Console(file=text, width=width, force_terminal=colours, highlight=False)
    print_summary(pipeline.health(whole_run=True), pipeline.sinks(), console)
    if text.getvalue():
        with suppress(OSError):
            sys.stderr.write(f"\n{text.getvalue()}")
            sys.stderr.flush()


def _note(line: str, reporter: Reporter) -> None:
    if not progress.QUIET:
        reporter.line(line)
