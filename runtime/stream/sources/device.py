"""Cameras that Linux knows as /dev/videoN (V4L2).

No camera was there to try this with: what is tested is how it asks FFmpeg, and what it makes of its refusals.
"""

from __future__ import annotations

import errno
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePath

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.stream.sources.base import OpenSource, SourceKind, SourceUri
from pptsn.runtime.stream.sources.options import (
    SourceOptions,
    format_option,
    fps_option,
    pixel_format_option,
    raw_video_options,
    size_option,
    threads_option,
    timeout_option,
)

_FORMAT = "v4l2"
_TEXT = re.compile(r"([0-9]{1,3}|/dev/video[0-9]+|/dev/v4l/[^?]+)(?:\?(.*))?")
_LIST = "`v4l2-ctl --list-devices` shows the cameras there are"


@dataclass(frozen=True)
class DeviceOptions(SourceOptions):
    """The options of a camera: what it is asked for."""

    format: str | None = format_option("Coding to ask for, as mjpeg.")
    fps: float | None = fps_option("Frames a second to ask for.")
    pixel_format: str | None = pixel_format_option()
    size: tuple[int, int] | None = size_option("Picture size to ask for.")
    threads: int | None = threads_option()
    timeout_s: float | None = timeout_option()


class DeviceKind(SourceKind[DeviceOptions]):
    """A camera.  A file called 0 is written ./0."""

    form = "0, /dev/video0"
    help = "camera"
    options = DeviceOptions
    is_live = True
    is_endless = True
    is_exclusive = True

    def claims(self, text: str) -> bool:
        """Whether `text` is a number, or the path of a camera."""
        return _TEXT.fullmatch(text) is not None

    def parse(self, text: str) -> SourceUri:
        """Return the camera of that number or path."""
        device, _, query = text.partition("?")
        path = f"/dev/video{int(device)}" if device.isdigit() else device
        return self.uri(path, query, display=path, thing=text)

    def stream_name(self, uri: SourceUri) -> str:
        """Return the device's own name: video0."""
        return PurePath(uri.target).name

    def open(
        self, uri: SourceUri, options: DeviceOptions, *, timeout_s: float, stdin_fd: int | None
    ) -> OpenSource:
        """Open the camera; raises InputError where it is absent, busy, or cannot do what is asked."""
        import av
        import av.error

        from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
        from pptsn.runtime.video.container import open_options

        wanted = raw_video_options(options.fps, options.size, options.pixel_format)
        if options.format:
            wanted["input_format"] = options.format
        try:
            _check_device(uri)
            container = av.open(uri.target, format=_FORMAT, options=wanted, timeout=timeout_s, **open_options())
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._refusal(uri, error, timeout_s) from None
        video = video_in(uri, container)
        return DemuxedSource(
            self, uri, video, live=True, timeout_s=timeout_s, fps=options.fps, threads=options.threads
        )

    def _refusal(self, uri: SourceUri, error: Exception, timeout_s: float) -> Exception:
        from pptsn.runtime.stream.sources.refusals import refusal

        number = getattr(error, "errno", None)
        if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return InputError(uri.display, "there is no such camera", f"plug it in; {_LIST}")
        if number == errno.EBUSY:
            return InputError(uri.display, "is in use by another program", "close that one")
        if number in (errno.EACCES, errno.EPERM):
            return InputError(uri.display, "may not be opened by this user", "add the user to the group `video`")
        if number in (errno.EINVAL, errno.ENOTTY):
            remedy = f"`v4l2-ctl --device {uri.target} --list-formats-ext` shows what it can do"
            return InputError(uri.display, "does not have this size, rate or format, or is no camera", remedy)
        if isinstance(error, ValueError) and number is None:  # FFmpeg's own have a number
            return MissingDependencyError(uri.display, "this FFmpeg has no V4L2", "install PyAV from PyPI")
        return refusal(self, uri, error, timeout_s=timeout_s)


def _check_device(uri: SourceUri) -> None:
    if not stat.S_ISCHR(_mode_of(uri.target)):
        raise InputError(uri.display, "is no device", "name a file as ./NAME")


def _mode_of(path: str) -> int:
    return Path(path).stat().st_mode
