"""The kinds of sources: ours, and those that other packages add by an entry point of the group `pptsn.sources`."""

from __future__ import annotations

from pptsn.runtime.base.plugins import Registry
from pptsn.runtime.stream.sources.base import AnyKind, OpenSource, SourceKind, SourceUri

# In the order in which they are asked whether a text is theirs; a file claims whatever is left.
SOURCES: Registry[type[AnyKind]] = Registry(
    "pptsn.sources",
    {
        "device": "pptsn.runtime.stream.sources.device:DeviceKind",
        "rtsp": "pptsn.runtime.stream.sources.network:RtspKind",
        "rtmp": "pptsn.runtime.stream.sources.network:RtmpKind",
        "http": "pptsn.runtime.stream.sources.network:HttpKind",
        "gst": "pptsn.runtime.stream.sources.gstreamer:GstKind",
        "stdin": "pptsn.runtime.stream.sources.standard_input:StandardInputKind",
        "synthetic": "pptsn.runtime.stream.sources.synthetic:SyntheticKind",
        "folder": "pptsn.runtime.stream.sources.folder:FolderKind",
        "file": "pptsn.runtime.stream.sources.file:FileKind",
    },
    base=SourceKind,
)


def source_kind(name: str) -> AnyKind:
    """Return the kind called `name`.

    Raises KeyError for a name that there is not, PluginError for a plugin that cannot be used.
    """
    kind: AnyKind = SOURCES.instance(name)
    return kind


def kind_of(uri: SourceUri) -> AnyKind:
    """Return the kind of `uri`; raises as `source_kind` does."""
    return source_kind(uri.kind)


def open_source(uri: SourceUri, *, timeout_s: float, stdin_fd: int | None = None) -> OpenSource:
    """Open `uri`.

    timeout_s: for connecting, and for each wait for data, unless the source has an option of its own; it does not
    hold for files and standard input.  stdin_fd: standard input, for a source of that kind; it is not closed.

    Raises InputError, about `uri.display`, where there are no pictures to be had, and MissingDependencyError where
    a program is missing.  Neither shows credentials.
    """
    timeout_s = uri.options.timeout_s or timeout_s
    return kind_of(uri).open(uri, uri.options, timeout_s=timeout_s, stdin_fd=stdin_fd)


def sources_help() -> str:
    """Return how each kind of source is written, and what it is: a text for `--help`."""
    kinds = SOURCES.usable().items()
    return ", ".join(f"{kind.form or f'{name}:'} ({kind.help or 'a plugin'})" for name, kind in kinds)
