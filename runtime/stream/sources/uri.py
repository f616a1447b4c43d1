"""The one grammar of sources.

    clip.mp4, frames/             a video file; a folder of extracted frames
    0, /dev/video0                a camera (V4L2); a FILE called 0 is written ./0
    rtsp://, rtmp://, http://     a camera or server in the network (also rtsps, rtmps and https; MJPEG, HLS, ...)
    gst:PIPELINE                  the raw video of a GStreamer command, which is taken word for word
    -, stdin:                     standard input: any container that needs no seeking, or raw video
    synthetic:                    moving pictures, made here
    NAME:...                      what another package adds under that name

Variables of the environment may be parts of addresses, `rtsp://user:${CAM1}@host/`; see `credentials.variables`.

Options follow as a query: `clip.h264?fps=25`, `stdin:?format=rawvideo&size=640x480&pixel_format=rgb24&fps=30`;
those of `gst` stand before the colon, `gst[timeout=5]:PIPELINE`.  A `?` in the name of a file that exists is
part of the name.  Each kind reads its own texts: see `registry`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.options import check_text
from pptsn.runtime.base.plugins import PluginError
from pptsn.runtime.classify.source_lists import list_entries
from pptsn.runtime.classify.sources import expand_sources, list_named
from pptsn.runtime.credentials.redaction import VARIABLE, holds_password
from pptsn.runtime.stream.sources.base import AnyKind, SourceUri
from pptsn.runtime.stream.sources.on_disk import split_path
from pptsn.runtime.stream.sources.registry import SOURCES, kind_of, source_kind
from pptsn.runtime.video.names import is_companion

_Note: TypeAlias = "Callable[[str], None] | None"
# What the group and all others may do with a file.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")


def parse_source(text: str) -> SourceUri:
    """Return the source that `text` names.  Looks at the file system, but opens nothing.

    Raises UsageError for an unknown scheme, an unknown option and a value out of range, and PluginError for a kind
    that another package adds and that cannot be used.
    """
    check_text(text, "SOURCE")
    return _kind_for(text).parse(text)


def _kind_for(text: str) -> AnyKind:
    """Return the kind that `text` is of."""
    own = [source_kind(name) for name in SOURCES.own_names]
    for kind in own:
        if not kind.is_path and kind.claims(text):
            return kind
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in SOURCES.own_names and scheme[1].lower() in SOURCES:
        return source_kind(scheme[1].lower())
    if scheme and scheme[2]:
        known = [written for kind in own for written in kind.schemes]
        plugins = [f"{name}:" for name in SOURCES.names[len(own) :]]
        remedy = f"expected {', '.join(known + plugins)} or a path"
        raise UsageError(f"{scheme[1].lower()}://", "unknown scheme", remedy)
    variable = VARIABLE.match(text)
    if variable and not os.path.lexists(split_path(text)[0]):
        cause = "a variable stands for a part of an address, not for its beginning"
        raise UsageError(variable[0], cause, f"write rtsp://{variable[0]}, with the scheme before it")
    return _path_kind_for(text)


def _path_kind_for(text: str) -> AnyKind:
    own = (source_kind(name) for name in SOURCES.own_names)
    return next(kind for kind in own if kind.is_path and kind.claims(text))


def expand_stream_sources(
    arguments: Iterable[str], *, note: Callable[[str], None] | None = None
) -> list[SourceUri | InputError]:
    """Return the sources that `arguments` name, in their order.

    Each is what `parse_source` takes, or a folder of videos, a pattern or a `@list` as in `expand_sources`.
    Options after a folder or a pattern hold for all that it stands for.  In a list, relative paths start at the
    list; for one that cannot be read there is an InputError, and so does a line that makes no sense.
    note: told which files of a folder or a list are left out.

    Raises UsageError where there is no source at all, where standard input is named twice, and as `parse_source`
    does for what is no line of a list.
    """
    sources: list[SourceUri | InputError] = []
    for argument in arguments:
        listed = list_named(split_path(argument)[0])
        if listed is None:
            sources += _expanded(argument, _kind_for(argument), note)
        else:
            sources += _listed(Path(argument[1:]), note)
    if not sources:
        raise UsageError("SOURCE", "no source given", "name files, folders, cameras, URLs or @list")
    if sum(isinstance(source, SourceUri) and kind_of(source).reads_stdin for source in sources) > 1:
        raise UsageError("SOURCE", "standard input is named more than once", "give - once: it can be read once")
    return sources


def _expanded(entry: str, kind: AnyKind, note: _Note) -> list[SourceUri | InputError]:
    """Return what `entry`, a source of that kind, stands for."""
    if not kind.is_path:
        return [kind.parse(entry)]
    path, query = split_path(entry)
    found = expand_sources([path], note=note)
    return [each if isinstance(each, InputError) else _on_disk(str(each), query) for each in found]


def _on_disk(path: str, query: str) -> SourceUri:
    text = f"{path}?{query}" if query else path
    return _path_kind_for(text).parse(text)


def _listed(path: Path, note: _Note) -> list[SourceUri | InputError]:
    """Return what the lines of the list at `path` stand for; relative paths start at its folder."""
    argument = f"@{path}"
    try:
        entries = list_entries(path)
    except InputError as error:
        return [error]
    if note is not None and any(holds_password(entry) for _, entry in entries):
        _tell_of_readers(path, note)
    sources: list[SourceUri | InputError] = []
    for number, entry in entries:
        try:
            kind = _kind_for(entry)
            if kind.is_path and is_companion(split_path(entry)[0]):
                continue
            sources += _expanded(str(path.parent / entry) if kind.is_path else entry, kind, note)
        except (UsageError, PluginError) as error:
            sources.append(InputError(f"{argument}:{number}", f"{error.thing}: {error.cause}", error.remedy))
    return sources


def _tell_of_readers(path: Path, note: Callable[[str], None]) -> None:
    """Tell where others than the user can read a list of passwords."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            text = f"@{path}: holds passwords, and others can read it (mode {mode:o})"
            note(f"{text}; chmod 600 {path}, or write ${{NAME}} in their place")
