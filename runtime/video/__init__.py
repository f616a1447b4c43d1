"""Frames of video files and of folders of pictures: upright, RGB, at given indices or one after the other."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptsn.runtime.video.frame import Choose, FrameSource, Pixels, Restart, Transform, VideoFrame
from pptsn.runtime.video.web.address import WebFile

if TYPE_CHECKING:
    from pptsn.runtime.video.folder import ImageFolderReader
    from pptsn.runtime.video.reader import VideoReader

__all__ = [
    "Choose",
    "FrameSource",
    "ImageFolderReader",
    "Pixels",
    "Restart",
    "Transform",
    "VideoFrame",
    "VideoReader",
    "WebFile",
    "open_video",
]


def open_video(
    path: str | Path | WebFile, *, stop: threading.Event | None = None
) -> VideoReader | ImageFolderReader:
    """Open a video file, of a web server too, or a folder of extracted frames; use it as a context manager.

    stop: ends the opening of a long file with an InputError, once another thread sets it.
    Raises InputError, in one line, where there is nothing to read frames from.
    """
    if not isinstance(path, WebFile) and os.path.isdir(path):  # noqa: PTH112  # unlike Path.is_dir, never raises
        from pptsn.runtime.video.folder import ImageFolderReader

        return ImageFolderReader(path)
    from pptsn.runtime.video.reader import VideoReader

    return VideoReader(path, stop=stop)


def __getattr__(name: str) -> Any:
    """Import the readers, and PyAV with them, when they are first named."""
    if name == "VideoReader":
        from pptsn.runtime.video.reader import VideoReader

        return VideoReader
    if name == "ImageFolderReader":
        from pptsn.runtime.video.folder import ImageFolderReader

        return ImageFolderReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
