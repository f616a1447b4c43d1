"""One run of `pptsn stream`, from its options to its exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from runtime import progress
from runtime.engines import open_engine
from runtime.errors import InputError
from runtime.files import refuse_overwriting
from runtime.results import printable
from runtime.stream.decisions import parse_rules
from runtime.stream.pipeline import StreamPipeline
from runtime.stream.recordings import Recordings
from runtime.stream.settings import StreamSettings
from runtime.stream.sinks.base import Sink
from runtime.stream.sinks.destination import VideoDestination, parse_destination
from runtime.stream.sinks.terminal import terminal_sink
from runtime.stream.summary import print_summary
from runtime.stream.uri import SourceUri, expand_stream_sources

_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class LiveRequest:
    """What to classify, by which model, and where the results go; as the options of `pptsn stream` state it."""

    sources: Sequence[str]
    model: str
    outputs: Sequence[str]
    http: str | None
    http_token: str | None
    top: int
    thresholds: Sequence[str]
    classes: Sequence[str]
    smoothing_s: float
    cool_down_s: float
    device: str
    backend: str
    threads: int | None


def run_live(request: LiveRequest, settings: StreamSettings) -> int:
    """Classify the sources until they have ended, or until Ctrl-C or SIGTERM; return the exit code.

    Raises PptsnError for what is wrong from the beginning.
    """
    named = expand_stream_sources(request.sources)
    uris = [uri for uri in named if not isinstance(uri, InputError)]
    unusable = [error for error in named if isinstance(error, InputError)]
    sinks, videos = _destinations(request, uris)
    record = Recordings(videos, uris) if videos else None
    with open_engine(
        request.model, backend=request.backend, device=request.device, threads=request.threads
    ) as engine:
        rules = parse_rules(
            engine.spec.labels,
            thresholds=request.thresholds,
            classes=request.classes,
            smoothing_s=request.smoothing_s,
            cool_down_s=request.cool_down_s,
        )
        for note in engine.notes:
            _note(f"note: {note}")
        for error in unusable:
            _report(f"error: {error}")
        with _stop_signals() as stop:
            path_for = _path_for(record)
            pipeline = StreamPipeline(engine, settings, rules, record=path_for, report=_report)
            with pipeline:
                _open_sinks(pipeline, sinks, request)
                _run(pipeline, uris, stop)
            _summarise(pipeline, request)
    return pipeline.exit_code or int(bool(unusable))


def _destinations(request: LiveRequest, uris: Sequence[SourceUri]) -> tuple[list[Sink], list[VideoDestination]]:
    """Return the sinks, not open yet, and where videos go."""
    places = [parse_destination(text, top=request.top) for text in request.outputs]
    inputs = [request.model, *request.sources, *(uri.target for uri in uris if uri.kind == "file")]
    for text in request.outputs:
        for place in (text, text.partition("?")[0]):  # a `?` may begin options or belong to the name
            refuse_overwriting(place, inputs)
    sinks = [place for place in places if isinstance(place, Sink)]
    return sinks, [place for place in places if isinstance(place, VideoDestination)]


def _path_for(recordings: Recordings | None) -> Callable[[str, bool], str] | None:
    if recordings is None:
        return None
    return lambda stream, live: recordings.path_for(stream, live=live)


def _open_sinks(pipeline: StreamPipeline, sinks: Sequence[Sink], request: LiveRequest) -> None:
    for sink in sinks:
        pipeline.add_sink(sink)
    if request.http is not None:
        _open_page(pipeline, request.http, request)
    if _shows_table(request):
        pipeline.add_sink(terminal_sink(pipeline, top=request.top))


def _open_page(pipeline: StreamPipeline, address_text: str, request: LiveRequest) -> None:
    from runtime.stream.sinks.web.address import parse_http_address
    from runtime.stream.sinks.web.server import WebSink

    address = parse_http_address(address_text)
    page = WebSink(address.host, address.port, view=pipeline, token=request.http_token, top=request.top)
    pipeline.add_sink(page)
    _note(f"the web page is at {page.address.url}")


def _run(pipeline: StreamPipeline, uris: Sequence[SourceUri], stop: threading.Event) -> None:
    if not uris:
        return
    for uri in uris:
        pipeline.add(uri)
    pipeline.start()
    while not stop.is_set() and not pipeline.wait(_POLL_S):
        pass


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets; a second one ends the program at once."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shows_table(request: LiveRequest) -> bool:
    """Whether standard output is for people, rather than for JSON lines."""
    return not progress.QUIET and not any(text == "-" or text.startswith("-?") for text in request.outputs)


def _summarise(pipeline: StreamPipeline, request: LiveRequest) -> None:
    if not _shows_table(request):
        for health in pipeline.health():
            if health.state == "failed":
                _report(f"error: {health.source}: {health.detail}")
    if not progress.QUIET:
        print_summary(pipeline.health(whole_run=True), pipeline.sinks(), Console(stderr=True, highlight=False))


def _note(line: str) -> None:
    progress.notes().print(f"pptsn: {line}", markup=False)


def _report(line: str) -> None:
    """Print a line about trouble, above the live table where there is one."""
    print(f"pptsn: {printable(line)}", file=sys.stderr, flush=True)  # noqa: T201 - the console would wrap it
