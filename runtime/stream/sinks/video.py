"""Annotated video: the picture of a stream with what was seen in it, as a file."""

from __future__ import annotations

from pptsn.runtime.stream.sinks.kind import STREAM, Address, NoOptions, SinkKind, VideoDestination


class VideoKind(SinkKind[NoOptions]):
    """Annotated video, in a file for all or in one a stream."""

    help = f"annotated video; {STREAM} in its name is the stream's name"
    suffixes = (".mp4", ".ts", ".mkv")
    options = NoOptions

    def make(self, address: Address, options: NoOptions, *, top: int) -> VideoDestination:
        """Return where the video goes."""
        return VideoDestination(address.path)
