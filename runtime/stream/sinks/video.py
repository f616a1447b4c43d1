"""Annotated video: the picture of a stream with what was seen in it, as a file."""

from __future__ import annotations

from pptsn.runtime.stream.sinks.kind import STREAM, Address, NoOptions, SinkKind, VideoDestination


def _make(address: Address, options: NoOptions, top: int) -> VideoDestination:
    return VideoDestination(address.path)


VIDEO = SinkKind(
    name="video",
    help=f"annotated video; {STREAM} in its name is the stream's name",
    suffixes=(".mp4", ".ts", ".mkv"),
    options=NoOptions,
    make=_make,
)
