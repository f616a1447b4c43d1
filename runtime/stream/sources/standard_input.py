"""Video on standard input, in a container or raw."""

from __future__ import annotations

import os

import av
import av.error

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import OpenSource
from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
from pptsn.runtime.stream.sources.refusals import refusal
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.video.container import open_options

_RAW = "rawvideo"


def open_standard_input(uri: SourceUri, descriptor: int | None) -> OpenSource:
    """Open the video on the file `descriptor`, which stays open.

    It waits for its reader, so it is no live source and has no timeout.  A file that was redirected may be of any
    kind, as it can be read in any order; what comes through a pipe must be readable from front to back.
    """
    if descriptor is None:
        raise InputError(uri.display, "is not connected", "pipe a video into the program")
    if os.isatty(descriptor):
        raise InputError(uri.display, "is a terminal, expected video data", "pipe a video into the program")
    _check_raw(uri)
    options = {"fd": str(descriptor), **_format_options(uri)}
    try:
        container = av.open("fd:", format=uri.options.format, options=options, **open_options())
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _refusal(uri, error) from None
    return DemuxedSource(uri, video_in(uri, container), live=False, timeout_s=0.0)


def _check_raw(uri: SourceUri) -> None:
    if uri.options.format == _RAW and not (uri.options.size and uri.options.pixel_format):
        cause = "raw video needs a size and a pixel format"
        raise InputError(uri.display, cause, "expected stdin:?format=rawvideo&size=WxH&pixel_format=rgb24&fps=30")


def _format_options(uri: SourceUri) -> dict[str, str]:
    """Return FFmpeg's names and values of the options; it passes over those that the format does not have."""
    options = uri.options
    wanted = {
        "framerate": options.fps and f"{options.fps:g}",
        "video_size": options.size and "x".join(map(str, options.size)),
        "pixel_format": options.pixel_format,
    }
    return {name: str(value) for name, value in wanted.items() if value}


def _refusal(uri: SourceUri, error: Exception) -> InputError:
    if isinstance(error, ValueError) and not isinstance(error, av.error.FFmpegError):
        return InputError(uri.display, f"FFmpeg knows no format {uri.options.format!r}", "see `ffmpeg -demuxers`")
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        remedy = "send MPEG-TS, Matroska, fragmented MP4 or raw video"
        return InputError(uri.display, "holds no video that can be read from front to back", remedy)
    return refusal(uri, error, timeout_s=0.0)
