"""Streams from the network: RTSP, RTMP and HTTP (video files, MPEG-TS, HLS, MJPEG)."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar
from urllib.parse import urlsplit

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import printable
from pptsn.runtime.base.memory import bounded_growth
from pptsn.runtime.base.options import one_of, option, options_of
from pptsn.runtime.credentials.redaction import redacted
from pptsn.runtime.stream.sources.base import OpenSource, SourceKind, SourceUri
from pptsn.runtime.stream.sources.bursts import BURST_S
from pptsn.runtime.stream.sources.decoders import JETSON, decoder_option, decoding
from pptsn.runtime.stream.sources.gstreamer import jetson_pipeline, open_pipeline
from pptsn.runtime.stream.sources.options import SourceOptions, threads_option, timeout_option
from pptsn.runtime.video.web.address import SCHEMES, check_host, names_a_video
from pptsn.runtime.video.web.exchange import opener
from pptsn.runtime.video.web.proxies import proxy_variable
from pptsn.runtime.video.web.words import CHECK_NETWORK, UNKNOWN_HOST, kind_of_text, no_video

if TYPE_CHECKING:
    from pptsn.runtime.video.container import OpenVideo

# How long FFmpeg may look at a stream before its first frame, in microseconds.  It stops as soon as it knows the
# codec and the size, which a key frame tells at the latest.
_ANALYSE_US = 3_000_000
# FFmpeg takes a server's greeting, or its error page, for pictures of a terminal.
_TEXT_FORMATS = frozenset({"tty"})
# Passes a parameter on to the server that would be an option here.
_FOR_SERVER = "server."
_TRANSPORTS = ("tcp", "udp")
_HEAD_BYTES = 512
# What opening may take: FFmpeg reads a playlist of HLS to its end, and has no bound for it.  Until then it decodes
# in one thread, which a dozen pictures of 8K are enough for.
_OPENING_BYTES = 400_000_000


@dataclass(frozen=True)
class NetworkOptions(SourceOptions):
    """The options of every source in the network."""

    threads: int | None = threads_option()
    decoder: str | None = decoder_option()
    timeout_s: float | None = timeout_option()


_Options = TypeVar("_Options", bound=NetworkOptions)


@dataclass(frozen=True)
class RtspOptions(NetworkOptions):
    """The options of RTSP."""

    transport: str | None = option(
        "Transport of the pictures; tcp if not given.",
        default=None,
        parse=one_of(_TRANSPORTS),
    )
    decoder: str | None = decoder_option([JETSON])


class NetworkKind(SourceKind[_Options]):
    """A camera or server in the network.

    An address may have parameters of its own: what is no option of its kind stays where it is, and `server.name=x`
    reaches the server as `name=x` though `name` is an option.
    """

    is_live = True
    is_endless = True
    # How much longer than `timeout_s` an open source may be silent here: what sends in bursts has pauses.  When
    # the next burst is due, and so when silence counts, is known where frames are looked after.
    patience_s: ClassVar[float] = 0.0
    silence_remedy = unopened_remedy = CHECK_NETWORK
    unopened = "cannot be reached"

    def claims(self, text: str) -> bool:
        """Whether the scheme is one of this kind's."""
        return text.lower().startswith(self.schemes)

    def parse(self, text: str) -> SourceUri:
        """Return the URL, with our options taken out of its query."""
        known = options_of(self.options)
        scheme, separator, location = text.partition("://")
        # FFmpeg knows its protocols in small letters alone.
        address, question, rest = f"{scheme.lower()}{separator}{location}".partition("?")
        query, hash_sign, fragment = rest.partition("#")
        parts = query.split("&")
        own = [part for part in parts if part.partition("=")[0] in known]
        others = [part.removeprefix(_FOR_SERVER) for part in parts if part.partition("=")[0] not in known]
        kept = "&".join(others)
        target = address + (question if kept or not own else "") + kept + hash_sign + fragment
        check_host(self.fill(target).text)
        return self.uri(target, "&".join(own), display=printable(redacted(target)))

    def stream_name(self, uri: SourceUri) -> str:
        """Return the host and the path."""
        parts = urlsplit(uri.display)  # the target may hold credentials
        return f"{parts.hostname or ''}{parts.path}"

    def ffmpeg_options(self, options: _Options) -> dict[str, str]:
        """Return what FFmpeg is told."""
        # `nobuffer` is not among them: it throws away what was looked at, and with it the first key frame.  Nor
        # is the decoder's `low_delay`: H.264 comes no sooner with it, and MPEG-2 with B-frames out of its order.
        return {"analyzeduration": str(_ANALYSE_US), "fpsprobesize": "0"}

    def open(self, uri: SourceUri, options: _Options, *, timeout_s: float, stdin_fd: int | None) -> OpenSource:
        """Open an URL.  It is live unless it has an end: a video file, or a finished HLS playlist.

        A playlist that goes on comes a segment at a time, hence `patience_s`.
        Raises InputError, which tells a server that is away from one that refuses, and from one that sends no
        video.
        """
        import av
        import av.error

        from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
        from pptsn.runtime.video.container import open_options
        from pptsn.runtime.video.formats import options_for_decoders

        how = decoding(options.decoder)
        begin_s = time.monotonic()
        try:
            wanted = self.ffmpeg_options(options) | options_for_decoders()
            settings = open_options() | how.open_options()
            timeouts = (timeout_s, timeout_s + self.patience_s)
            with bounded_growth(_OPENING_BYTES):
                container = av.open(uri.target, options=wanted, timeout=timeouts, **settings)
        except MemoryError:
            cause = f"asks for more than {_OPENING_BYTES // 1_000_000} MB, or than there is, before a picture came"
            raise InputError(uri.display, cause, "check that its playlist, or its head, ends") from None
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # An RTSP client that is interrupted while it waits for an answer calls that invalid data.
            silent = time.monotonic() - begin_s >= timeout_s
            raise self._refusal(uri, TimeoutError() if silent else error, timeout_s) from None
        if container.format.name in _TEXT_FORMATS:
            container.close()
            raise self._refusal(uri, None, timeout_s)
        video = video_in(uri, container)
        live = uri.is_live_kind and not _has_end(video)
        return DemuxedSource(
            self, uri, video, live=live, timeout_s=timeouts[1], threads=options.threads, decoding=how
        )

    def _refusal(self, uri: SourceUri, error: Exception | None, timeout_s: float) -> InputError:
        """Return why `uri` could not be opened; error: None where text was taken for video."""
        from pptsn.runtime.stream.sources.refusals import refusal

        if error is None:
            return InputError(uri.display, *no_video("text"))
        if getattr(error, "errno", None) == errno.EIO and not _host_is_known(uri):
            return InputError(uri.display, *UNKNOWN_HOST)
        return refusal(self, uri, error, timeout_s=timeout_s)


class RtspKind(NetworkKind[RtspOptions]):
    """RTSP: what network cameras speak."""

    form = "rtsp://HOST/PATH"
    help = "network camera"
    options = RtspOptions
    schemes = ("rtsp://", "rtsps://")

    def open(self, uri: SourceUri, options: RtspOptions, *, timeout_s: float, stdin_fd: int | None) -> OpenSource:
        """Open the camera, by GStreamer where a Jetson's own decoder is asked for; see `NetworkKind.open`."""
        if options.decoder != JETSON:
            return super().open(uri, options, timeout_s=timeout_s, stdin_fd=stdin_fd)
        pipeline = jetson_pipeline(uri.target, transport=options.transport or _TRANSPORTS[0])
        return open_pipeline(self, uri, pipeline, timeout_s=timeout_s)

    def ffmpeg_options(self, options: RtspOptions) -> dict[str, str]:
        """Return what FFmpeg is told: pictures alone, and how they shall come."""
        transport = {"rtsp_transport": options.transport or "tcp", "allowed_media_types": "video"}
        return super().ffmpeg_options(options) | transport


class RtmpKind(NetworkKind[NetworkOptions]):
    """RTMP: what broadcasters speak."""

    form = "rtmp://HOST/PATH"
    help = "broadcast"
    options = NetworkOptions
    schemes = ("rtmp://", "rtmps://")


class HttpKind(NetworkKind[NetworkOptions]):
    """HTTP: MJPEG cameras, MPEG-TS, HLS, and video files, which have an end."""

    form = "http(s)://HOST/PATH"
    help = "MJPEG, HLS, MPEG-TS or a video file"
    options = NetworkOptions
    schemes = SCHEMES
    patience_s = BURST_S

    def is_live_at(self, target: str, options: NetworkOptions) -> bool:
        """Whether the URL is no video file's: one that does not say what it is has no end."""
        return not names_a_video(target)

    def _refusal(self, uri: SourceUri, error: Exception | None, timeout_s: float) -> InputError:
        """Return why `uri` could not be opened: what the server sends in place of video, if that can be had."""
        import av.error

        if error is None or isinstance(error, av.error.InvalidDataError):
            content = _content_at(uri.target, timeout_s=timeout_s)
            if content:
                return InputError(uri.display, *no_video(content))
        refused = super()._refusal(uri, error, timeout_s)
        return InputError(refused.thing, refused.cause, f"{refused.remedy}{_of_proxy(uri.target)}")


def _of_proxy(url: str) -> str:
    """Return what else is to be looked at where FFmpeg asks a proxy in our place; "" where it does not.

    It has one variable for both schemes, and takes no proxy but of HTTP.
    """
    name = proxy_variable(url.replace("https://", "http://", 1))
    taken = name and os.environ.get(name, "").startswith("http://")
    return f", and the proxy that {name} names" if taken else ""


def _has_end(video: OpenVideo) -> bool:
    return bool(video.container.duration and video.container.duration > 0)


def _host_is_known(uri: SourceUri) -> bool:
    """Whether the host's name can be looked up; FFmpeg has no other word for it than an input/output error."""
    try:
        return bool(socket.getaddrinfo(urlsplit(uri.target).hostname, None))
    except (OSError, UnicodeError, ValueError):
        return False


def _content_at(url: str, *, timeout_s: float) -> str:
    """Return in words what kind of text the server sends for `url`; "" where it is no text, or cannot be had."""
    try:
        ask, address = opener(url)
        with ask.open(address, timeout=timeout_s) as response:
            return kind_of_text(response.headers.get_content_type(), response.read(_HEAD_BYTES))
    except (OSError, ValueError, http.client.HTTPException):
        return ""
