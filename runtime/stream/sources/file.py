"""Video files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pptsn.runtime.stream.sources.base import OpenSource, SourceUri
from pptsn.runtime.stream.sources.decoders import decoder_option, decoding
from pptsn.runtime.stream.sources.on_disk import PathKind
from pptsn.runtime.stream.sources.options import SourceOptions, fps_option, threads_option


@dataclass(frozen=True)
class FileOptions(SourceOptions):
    """The options of a file."""

    fps: float | None = fps_option("Frames a second of a file without timestamps.")
    threads: int | None = threads_option()
    decoder: str | None = decoder_option()


class FileKind(PathKind[FileOptions]):
    """A video file; whatever no other kind claims is taken for one, so that opening it says what is wrong."""

    form = "FILE"
    help = "video"
    options = FileOptions

    def claims(self, text: str) -> bool:
        """Whether `text` may be a path: any may."""
        return True

    def file_of(self, uri: SourceUri) -> Path:
        """Return the file."""
        return Path(uri.target)

    def open(self, uri: SourceUri, options: FileOptions, *, timeout_s: float, stdin_fd: int | None) -> OpenSource:
        """Open the file; raises InputError where it is no video."""
        from pptsn.runtime.stream.sources.demuxed import DemuxedSource
        from pptsn.runtime.video.container import open_container

        how = decoding(options.decoder)
        return DemuxedSource(
            self,
            uri,
            open_container(Path(uri.target), **how.open_options()),
            live=False,
            timeout_s=timeout_s,
            fps=options.fps,
            threads=options.threads,
            decoding=how,
        )
