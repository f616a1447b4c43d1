"""Annotated video: the picture of a stream with what was seen in it, as a file."""

from __future__ import annotations

from dataclasses import dataclass

from pptsn.runtime.base.options import option
from pptsn.runtime.stream.recording.fonts import FontFile, font_called
from pptsn.runtime.stream.sinks.kind import STREAM, Address, SinkKind, VideoDestination


@dataclass(frozen=True)
class VideoOptions:
    """The options of an annotated video."""

    font: FontFile | None = option(
        "Font of the labels: the name of an installed one, or a font file.",
        default=None,
        parse=font_called,
        expected="a font that is installed, see `fc-list : family`, or a font file",
    )


class VideoKind(SinkKind[VideoOptions]):
    """Annotated video, in a file for all or in one a stream."""

    help = f"annotated video; {STREAM} in its name is the stream's name"
    suffixes = (".mp4", ".ts", ".mkv")
    options = VideoOptions

    def make(self, address: Address, options: VideoOptions, *, top: int) -> VideoDestination:
        """Return where the video goes."""
        return VideoDestination(address.path, options.font)
