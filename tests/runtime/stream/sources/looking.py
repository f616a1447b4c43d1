"""Looking at open sources."""

from __future__ import annotations

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.stream.sources.base import Captured, OpenSource
from pptsn.runtime.stream.sources.registry import open_source
from pptsn.runtime.stream.sources.uri import parse_source

TIMEOUT_S = 1.0


def opened(text: object, *, timeout_s: float = TIMEOUT_S, stdin_fd: int | None = None) -> OpenSource:
    """Open the source that `text` names."""
    return open_source(parse_source(str(text)), timeout_s=timeout_s, stdin_fd=stdin_fd)


def all_frames(text: object, *, stdin_fd: int | None = None) -> list[Captured]:
    """Return the frames of a source that ends."""
    with opened(text, stdin_fd=stdin_fd) as source:
        return list(source.frames())


def frames_and_error(source: OpenSource) -> tuple[list[Captured], PptsnError | None]:
    """Return the frames of `source` until it ends or fails, and how it failed."""
    frames = []
    try:
        for captured in source.frames():
            frames.append(captured)
    except PptsnError as error:
        return frames, error
    return frames, None


def times(frames: list[Captured]) -> list[float]:
    """Return the presentation times, rounded to milliseconds."""
    return [round(captured.pts_s, 3) for captured in frames]
