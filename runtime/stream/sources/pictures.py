"""A folder of extracted frames as a source."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import Captured, OpenSource
from pptsn.runtime.stream.sources.demuxed import DEFAULT_FPS
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.video.folder import ImageFolderReader


class PictureSource(OpenSource):
    """The pictures of a folder, one after the other, at `fps` frames a second.

    Raises InputError where there are none, or where one is missing.
    """

    live = False

    def __init__(self, uri: SourceUri) -> None:
        self._reader = ImageFolderReader(Path(uri.target))
        self.frame_rate: float = uri.options.fps or DEFAULT_FPS
        self.duration_s: float = self._reader.frame_count() / self.frame_rate

    def frames(self) -> Iterator[Captured]:
        """Yield the pictures; those that cannot be read are counted, and leave a gap."""
        trouble: InputError | None = None
        count = self._reader.frame_count()
        for index in range(count):
            try:
                pixels = self._reader.read([index])[0].pixels
            except InputError as error:
                self.decode_errors += 1
                trouble = error
                continue
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            yield Captured(frame, index / self.frame_rate, time.monotonic())
        if trouble is not None and self.decode_errors == count:
            raise trouble

    def close(self) -> None:
        """End the use of the folder; a second call does nothing."""
        self._reader.close()
