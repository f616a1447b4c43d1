"""Where the results of a run go: its sinks, its annotated videos, its web page."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base import progress
from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import refuse_overwriting
from pptsn.runtime.base.lines import StandardOutput
from pptsn.runtime.stream.pipeline.pipeline import StreamPipeline
from pptsn.runtime.stream.recording.overlay import VideoFile
from pptsn.runtime.stream.run.settings import OutputSettings
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import VideoDestination, split_options
from pptsn.runtime.stream.sinks.registry import parse_destination
from pptsn.runtime.stream.sinks.terminal import PipedLines, TroubleLines, terminal_sinks
from pptsn.runtime.stream.sources.base import SourceUri


@dataclass(frozen=True)
class Outputs:
    """Where results go.  sinks: not open yet; recordings: of annotated videos, or None."""

    settings: OutputSettings
    sinks: Sequence[Sink]
    recordings: Recordings | None

    @property
    def prints_json(self) -> bool:
        """Whether standard output is for programs."""
        return any(sink.name == StandardOutput.name for sink in self.sinks)

    @property
    def shows_run(self) -> bool:
        """Whether standard output is for people: a table, or a line a prediction.

        The user who wants no notes has the lines where the results go nowhere else.
        """
        return not self.prints_json and (self.need_reader or not progress.QUIET)

    @property
    def need_reader(self) -> bool:
        """Whether all is in vain without a reader of standard output."""
        files = any(sink.name != StandardOutput.name for sink in self.sinks) or self.recordings is not None
        return not files and self.settings.http is None

    def open(self, pipeline: StreamPipeline, note: Callable[[str], None]) -> None:
        """Let `pipeline` write to all of them.  note: takes a line for people.  Raises what a sink raises."""
        for sink in self.sinks:
            pipeline.add_sink(sink)
        if self.settings.http is not None:
            note(f"the web page is at {self._open_page(pipeline, self.settings.http)}")
        for sink in self._shown(pipeline):
            pipeline.add_sink(sink)

    def _shown(self, pipeline: StreamPipeline) -> tuple[Sink, ...]:
        if not self.shows_run:
            return (TroubleLines(),)
        if progress.QUIET:
            return PipedLines(StandardOutput()), TroubleLines()
        return terminal_sinks(pipeline, top=self.settings.top)

    def _open_page(self, pipeline: StreamPipeline, address_text: str) -> str:
        from pptsn.runtime.stream.sinks.web.address import parse_http_address
        from pptsn.runtime.stream.sinks.web.server import WebSink

        address, settings = parse_http_address(address_text), self.settings
        page = WebSink(address.host, address.port, view=pipeline, token=settings.http_token, top=settings.top)
        pipeline.add_sink(page)
        return page.address.url


class Recordings:
    """Chooses the files of annotated videos.

    A file's video is written anew each time.  Of a live source no recording is ever overwritten: the second
    connection, or a second run, goes on in `NAME-2.mp4`, and so on.

    Raises UsageError where several streams would share one file, and for more than one destination.
    """

    def __init__(self, destinations: Sequence[VideoDestination], sources: Sequence[SourceUri]) -> None:
        if len(destinations) > 1:
            raise UsageError("--output", "more than one annotated video was asked for", "name one")
        self._destination = destinations[0]
        if len(sources) > 1 and not self._destination.per_stream:
            cause = f"{len(sources)} streams cannot share one video"
            path = Path(self._destination.template)
            raise UsageError(self._destination.name, cause, f"write {path.stem}-{{stream}}{path.suffix}")

    def next_file(self, stream: str, live: bool) -> VideoFile:
        """Return the file for the next session of `stream`."""
        path = self._destination.path_for(stream)
        if live:
            numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
            path = next(each for each in itertools.chain([path], numbered) if not each.exists())
        return VideoFile(str(path), self._destination.font)


def outputs_of(settings: OutputSettings, uris: Sequence[SourceUri], *, inputs: Iterable[str]) -> Outputs:
    """Return where the results of classifying `uris` go, nothing of it open yet.

    inputs: files that must not be written to.  Raises PptsnError for what makes no sense or cannot be.
    """
    destinations = [parse_destination(text, top=settings.top) for text in settings.outputs]
    for text in settings.outputs:
        refuse_overwriting(split_options(text)[0], inputs)
    videos = [video for video in destinations if isinstance(video, VideoDestination)]
    outputs = Outputs(
        settings,
        [sink for sink in destinations if isinstance(sink, Sink)],
        Recordings(videos, uris) if videos else None,
    )
    if outputs.prints_json and sys.__stdout__ is None:
        raise InputError("standard output", "is closed", "leave out --output -, or let it lead somewhere")
    return outputs
