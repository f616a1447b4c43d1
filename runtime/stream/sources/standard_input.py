"""Video on standard input, in a container or raw."""

from __future__ import annotations

import os
import re
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import OpenSource, SourceKind, SourceUri
from pptsn.runtime.stream.sources.options import (
    SourceOptions,
    format_option,
    fps_option,
    pixel_format_option,
    raw_video_options,
    size_option,
    threads_option,
)
from pptsn.runtime.stream.sources.passed import Passed

if TYPE_CHECKING:
    from pptsn.runtime.video.wholeness.look import Content

_RAW = "rawvideo"
# A shell's command line takes what begins with - and goes on for an option, hence the other name.
_TEXT = re.compile(r"(?:-|stdin:)(?:\?.*)?", re.IGNORECASE)


@dataclass(frozen=True)
class StandardInputOptions(SourceOptions):
    """The options of standard input."""

    format: str | None = format_option("Container that comes, if FFmpeg cannot tell; rawvideo for none.")
    fps: float | None = fps_option("Frames a second, if it does not tell.")
    pixel_format: str | None = pixel_format_option()
    size: tuple[int, int] | None = size_option("Picture size of raw video.")
    threads: int | None = threads_option()


class StandardInputKind(SourceKind[StandardInputOptions]):
    """Standard input: any container that needs no seeking, or raw video."""

    form = "- or stdin:"
    help = "standard input"
    options = StandardInputOptions
    schemes = ("stdin:",)
    is_patient = True
    is_exclusive = True
    reads_stdin = True

    def claims(self, text: str) -> bool:
        """Whether `text` is - or stdin:, with options or without."""
        return _TEXT.fullmatch(text) is not None

    def parse(self, text: str) -> SourceUri:
        """Return standard input with its options."""
        return self.uri("", text.partition("?")[2], display="standard input", thing=text)

    def open(
        self, uri: SourceUri, options: StandardInputOptions, *, timeout_s: float, stdin_fd: int | None
    ) -> OpenSource:
        """Open the video on the descriptor `stdin_fd`, which stays open.

        It waits for its reader, so it is no live source and has no timeout.  A file that was redirected may be of
        any kind, as it can be read in any order; what comes through a pipe must be readable from front to back.
        Formats that open other files are refused, as those of files are.
        """
        import av
        import av.error

        from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
        from pptsn.runtime.video.container import open_options
        from pptsn.runtime.video.formats import options_for_files
        from pptsn.runtime.video.wholeness.look import MP4, is_cut_off

        if stdin_fd is None:
            raise InputError(uri.display, "is not connected", "pipe a video into the program")
        if os.isatty(stdin_fd):
            raise InputError(uri.display, "is a terminal, expected video data", "pipe a video into the program")
        _check_raw(uri, options)
        # FFmpeg passes over those that the format does not have.
        raw = raw_video_options(options.fps, options.size, options.pixel_format)
        content: Content = partial(_reopened, stdin_fd)
        # As of a file, see `open_container`: of a cut fragment FFmpeg makes nothing where it can seek.
        can_seek = stat.S_ISREG(os.fstat(stdin_fd).st_mode) and not is_cut_off(content, MP4)
        passed = None if can_seek else Passed(stdin_fd)
        content = content if passed is None else passed.content
        wanted = {"fd": str(stdin_fd if passed is None else passed.fd), **raw, **options_for_files("fd")}
        with ExitStack() as unless_open:
            if passed is not None:
                unless_open.callback(passed.close)
            try:
                container = av.open("fd:", format=options.format, options=wanted, **open_options())
            except (av.error.FFmpegError, OSError, ValueError) as error:
                raise self._refusal(uri, options, error, content) from None
            video = video_in(uri, container, content)
            opened = unless_open.pop_all()
        return DemuxedSource(
            self,
            uri,
            video,
            live=False,
            timeout_s=0.0,
            fps=options.fps,
            threads=options.threads,
            on_close=opened.close,
        )

    def _refusal(
        self, uri: SourceUri, options: StandardInputOptions, error: Exception, content: Content
    ) -> InputError:
        import av.error

        from pptsn.runtime.stream.sources.refusals import refusal
        from pptsn.runtime.video.container import unfinished

        known = unfinished(content)
        if known is not None:
            return InputError(uri.display, *known)
        if isinstance(error, ValueError) and not isinstance(error, av.error.FFmpegError):
            return InputError(uri.display, f"FFmpeg knows no format {options.format!r}", "see `ffmpeg -demuxers`")
        if isinstance(error, av.error.ArgumentError) and options.format != _RAW:
            cause = "is no video, or in a format that opens other files"
            return InputError(uri.display, cause, "send the video itself; a playlist is opened by its address")
        if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
            remedy = "send MPEG-TS, Matroska, fragmented MP4 or raw video"
            return InputError(uri.display, "holds no video that can be read from front to back", remedy)
        return refusal(self, uri, error, timeout_s=0.0)


def _reopened(descriptor: int) -> BinaryIO:
    """Open the file of `descriptor` anew, to be read in any order."""
    return open(f"/dev/fd/{descriptor}", "rb")


def _check_raw(uri: SourceUri, options: StandardInputOptions) -> None:
    if options.format == _RAW and not (options.size and options.pixel_format):
        cause = "raw video needs a size and a pixel format"
        raise InputError(uri.display, cause, "expected stdin:?format=rawvideo&size=WxH&pixel_format=rgb24&fps=30")
