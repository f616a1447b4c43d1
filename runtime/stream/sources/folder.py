"""Folders of extracted frames."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import Captured, OpenSource, SourceUri
from pptsn.runtime.stream.sources.clock import DEFAULT_FPS
from pptsn.runtime.stream.sources.on_disk import PathKind, split_path
from pptsn.runtime.stream.sources.options import SourceOptions, fps_option


@dataclass(frozen=True)
class FolderOptions(SourceOptions):
    """The options of a folder."""

    fps: float | None = fps_option(f"Frames a second; {DEFAULT_FPS:g} if not given.")


class FolderKind(PathKind[FolderOptions]):
    """A folder of pictures; one of videos stands for them, see `expand_stream_sources`."""

    form = "FOLDER"
    help = "videos, or extracted frames"
    options = FolderOptions

    def claims(self, text: str) -> bool:
        """Whether the path in `text` is a folder's."""
        return os.path.isdir(split_path(text)[0])  # noqa: PTH112 - unlike Path.is_dir, never raises

    def open(
        self, uri: SourceUri, options: FolderOptions, *, timeout_s: float, stdin_fd: int | None
    ) -> OpenSource:
        """Open the folder; raises InputError where it holds no pictures."""
        return PictureSource(Path(uri.target), options.fps or DEFAULT_FPS)


class PictureSource(OpenSource):
    """The pictures of a folder, one after the other, at `frame_rate` frames a second.

    Raises InputError where there are none, or where one is missing.
    """

    live = False

    def __init__(self, folder: Path, frame_rate: float) -> None:
        from pptsn.runtime.video.folder import ImageFolderReader

        self._reader = ImageFolderReader(folder)
        self.frame_rate: float = frame_rate
        self.duration_s: float = self._reader.frame_count() / frame_rate
        self.notes = tuple(self._reader.warnings)

    def frames(self) -> Iterator[Captured]:
        """Yield the pictures; those that cannot be read are counted, and leave a gap."""
        import av

        trouble: InputError | None = None
        count, damaged_before = self._reader.frame_count(), 0
        for index in range(count):
            try:
                pixels = self._reader.read([index])[0].pixels
            except InputError as error:
                self.decode_errors += 1
                trouble = error
                continue
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            damaged = self._reader.damage.damaged
            yield Captured(frame, index / self.frame_rate, time.monotonic(), damaged > damaged_before)
            damaged_before = damaged
        self.notes += tuple(warning for warning in self._reader.warnings if warning not in self.notes)
        if trouble is not None and self.decode_errors == count:
            raise trouble

    def close(self) -> None:
        """End the use of the folder; a second call does nothing."""
        self._reader.close()
