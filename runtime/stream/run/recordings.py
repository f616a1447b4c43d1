"""Where annotated videos go: one file a session of a stream."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sinks.kind import VideoDestination
from pptsn.runtime.stream.sources.base import SourceUri


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

    def path_for(self, stream: str, live: bool) -> str:
        """Return the file for the next session of `stream`."""
        path = self._destination.path_for(stream)
        if not live:
            return str(path)
        numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
        return str(next(each for each in itertools.chain([path], numbered) if not each.exists()))
