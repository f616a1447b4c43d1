"""Streams from the network: RTSP, RTMP and HTTP (video files, MPEG-TS, HLS, MJPEG)."""

from __future__ import annotations

import errno
import socket
import time
from urllib.parse import urlsplit

import av
import av.error

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import OpenSource
from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
from pptsn.runtime.stream.sources.refusals import refusal
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.stream.sources.web_content import content_at
from pptsn.runtime.video.container import OpenVideo, open_options

# How long FFmpeg may look at a stream before its first frame, in microseconds.  It stops as soon as it knows the
# codec and the size, which a key frame tells at the latest.
_ANALYSE_US = 3_000_000
# FFmpeg takes a server's greeting, or its error page, for pictures of a terminal.
_TEXT_FORMATS = frozenset({"tty"})


def open_network(uri: SourceUri, *, timeout_s: float) -> OpenSource:
    """Open an URL.  It is live unless it has an end: a video file, or a finished HLS playlist.

    A playlist that goes on comes a segment at a time: `timeout_s` must be longer than its segments are.
    Raises InputError, which tells a server that is away from one that refuses, and from one that sends no video.
    """
    begin_s = time.monotonic()
    try:
        container = av.open(
            uri.target, options=_network_options(uri), timeout=(timeout_s, timeout_s), **open_options()
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # An RTSP client that is interrupted while it waits for an answer calls that invalid data.
        silent = time.monotonic() - begin_s >= timeout_s
        raise _refusal(uri, TimeoutError() if silent else error, timeout_s) from None
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise _refusal(uri, None, timeout_s)
    video = video_in(uri, container)
    return DemuxedSource(uri, video, live=uri.is_live_kind and not _has_end(video), timeout_s=timeout_s)


def _network_options(uri: SourceUri) -> dict[str, str]:
    # `nobuffer` is not among them: it throws away what was looked at, and with it the first key frame.  Nor is the
    # decoder's `low_delay`: H.264 comes no sooner with it, and MPEG-2 with B-frames comes out of its order.
    options = {"analyzeduration": str(_ANALYSE_US), "fpsprobesize": "0"}
    if uri.kind == "rtsp":
        options["rtsp_transport"] = uri.options.transport or "tcp"
        options["allowed_media_types"] = "video"
    return options


def _has_end(video: OpenVideo) -> bool:
    return bool(video.container.duration and video.container.duration > 0)


def _host_is_known(uri: SourceUri) -> bool:
    """Whether the host's name can be looked up; FFmpeg has no other word for it than an input/output error."""
    try:
        return bool(socket.getaddrinfo(urlsplit(uri.target).hostname, None))
    except (OSError, UnicodeError, ValueError):
        return False


def _refusal(uri: SourceUri, error: Exception | None, timeout_s: float) -> InputError:
    """Return why `uri` could not be opened; error: None where text was taken for video."""
    if uri.kind == "http" and (error is None or isinstance(error, av.error.InvalidDataError)):
        content = content_at(uri.target, timeout_s=timeout_s)
        if content:
            return InputError(uri.display, f"sends {content}, expected video", "check the path of the URL")
    if error is None:
        return InputError(uri.display, "sends text, expected video", "check the path of the URL")
    if getattr(error, "errno", None) == errno.EIO and not _host_is_known(uri):
        return InputError(uri.display, "there is no host of that name", "check the URL and the name server")
    return refusal(uri, error, timeout_s=timeout_s)
