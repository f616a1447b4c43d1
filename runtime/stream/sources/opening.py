"""Opening a source of any kind."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.stream.sources.base import OpenSource
from pptsn.runtime.stream.sources.demuxed import DemuxedSource
from pptsn.runtime.stream.sources.device import open_device
from pptsn.runtime.stream.sources.gstreamer import open_pipeline
from pptsn.runtime.stream.sources.network import open_network
from pptsn.runtime.stream.sources.pictures import PictureSource
from pptsn.runtime.stream.sources.standard_input import open_standard_input
from pptsn.runtime.stream.sources.synthetic import SyntheticSource
from pptsn.runtime.stream.sources.uri import SourceUri
from pptsn.runtime.video.container import open_container


def open_source(uri: SourceUri, *, timeout_s: float, stdin_fd: int | None = None) -> OpenSource:
    """Open `uri`.

    timeout_s: for connecting, and for each wait for data, unless the source has an option of its own; it does not
    hold for files and standard input.  stdin_fd: standard input, for a source of that kind; it is not closed.

    Raises InputError, about `uri.display`, where there are no pictures to be had, and MissingDependencyError where
    a program is missing.  Neither shows credentials.
    """
    timeout_s = uri.options.timeout_s or timeout_s
    if uri.kind == "file":
        return DemuxedSource(uri, open_container(Path(uri.target)), live=False, timeout_s=timeout_s)
    if uri.kind == "folder":
        return PictureSource(uri)
    if uri.kind == "device":
        return open_device(uri, timeout_s=timeout_s)
    if uri.kind == "gst":
        return open_pipeline(uri, timeout_s=timeout_s)
    if uri.kind == "stdin":
        return open_standard_input(uri, stdin_fd)
    if uri.kind == "synthetic":
        return SyntheticSource(uri)
    return open_network(uri, timeout_s=timeout_s)
