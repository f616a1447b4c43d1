"""Cameras that Linux knows as /dev/videoN (V4L2).

No camera was there to try this with: what is tested is how it asks FFmpeg, and what it makes of its refusals.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import av
import av.error

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.stream.sources.base import OpenSource
from pptsn.runtime.stream.sources.demuxed import DemuxedSource, video_in
from pptsn.runtime.stream.sources.refusals import refusal
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.video.container import open_options

_FORMAT = "v4l2"
_LIST = "`v4l2-ctl --list-devices` shows the cameras there are"


def open_device(uri: SourceUri, *, timeout_s: float) -> OpenSource:
    """Open a camera; raises InputError where it is absent, busy or not permitted, or cannot do what is asked."""
    _check_device(uri)
    try:
        container = av.open(
            uri.target, format=_FORMAT, options=_device_options(uri), timeout=timeout_s, **open_options()
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _refusal(uri, error, timeout_s) from None
    return DemuxedSource(uri, video_in(uri, container), live=True, timeout_s=timeout_s)


def _device_options(uri: SourceUri) -> dict[str, str]:
    options = uri.options
    wanted = {
        "framerate": options.fps and f"{options.fps:g}",
        "video_size": options.size and "x".join(map(str, options.size)),
        "input_format": options.format,
        "pixel_format": options.pixel_format,
    }
    return {name: str(value) for name, value in wanted.items() if value}


def _check_device(uri: SourceUri) -> None:
    try:
        mode = _mode_of(uri.target)
    except OSError as error:
        raise _refusal(uri, error, 0.0) from None
    if not stat.S_ISCHR(mode):
        raise InputError(uri.display, "is no device", "name a file as ./NAME")


def _mode_of(path: str) -> int:
    return Path(path).stat().st_mode


def _refusal(uri: SourceUri, error: Exception, timeout_s: float) -> Exception:
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
    if isinstance(error, ValueError) and not isinstance(error, av.error.FFmpegError):
        return MissingDependencyError(uri.display, "this FFmpeg has no V4L2", "install PyAV from PyPI")
    return refusal(uri, error, timeout_s=timeout_s)
