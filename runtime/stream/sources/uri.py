"""The one grammar of sources.

    clip.mp4, frames/             a video file; a folder of extracted frames
    0, /dev/video0                a camera (V4L2); a FILE called 0 is written ./0
    rtsp://, rtmp://, http://     a camera or server in the network (also rtsps, rtmps and https; MJPEG, HLS, ...)
    gst:PIPELINE                  the raw video of a GStreamer command, which is taken word for word
    -, stdin:                     standard input: any container that needs no seeking, or raw video
    synthetic:                    moving pictures, made here

Options follow as a query: `clip.h264?fps=25`, `stdin:?format=rawvideo&size=640x480&pixel_format=rgb24&fps=30`;
those of `gst` stand before the colon, `gst[timeout=5]:PIPELINE`.  A `?` in the name of a file that exists is
part of the name.  A network address may have parameters of its own: what is no option of its kind stays where
it is, and `server.name=x` reaches the server as `name=x` though `name` is an option.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.classify.results import printable
from pptsn.runtime.classify.sources import VIDEO_SUFFIXES, expand_sources
from pptsn.runtime.stream.sources.options import SourceOptions, option_names, options_from, parse_options
from pptsn.runtime.stream.sources.redaction import redacted, secrets_in

KINDS = ("file", "folder", "device", "rtsp", "rtmp", "http", "gst", "stdin", "synthetic")
_KIND_OF_SCHEME = {
    "rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "rtmp", "rtmps": "rtmp", "http": "http", "https": "http",
}  # fmt: skip
_LIVE_KINDS = frozenset({"device", "rtsp", "rtmp", "gst"})
# Files of these kinds are often endless: what a camera sends.
_ENDLESS_SUFFIXES = frozenset({".mjpeg", ".mjpg", ".ts"})

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_GST = re.compile(r"gst(?:\[([^\]]*)\])?:(.*)", re.IGNORECASE | re.DOTALL)
_SYNTHETIC = re.compile(r"synthetic:(?:\?(.*))?", re.IGNORECASE)
_DEVICE = re.compile(r"([0-9]{1,3}|/dev/video[0-9]+|/dev/v4l/[^?]+)(?:\?(.*))?")
# A shell's command line takes what begins with - and goes on for an option, hence the other name.
_STANDARD_INPUT = re.compile(r"(?:-|stdin:)(?:\?(.*))?", re.IGNORECASE)
# What looks like options after a file's name, not like a pattern.
_FILE_QUERY = re.compile(r"\?(?=[A-Za-z_]+=)")
# Passes a parameter on to the server that would be an option here.
_FOR_SERVER = "server."


@dataclass(frozen=True)
class SourceUri:
    """A source, as the grammar has it.

    kind: one of KINDS.  target: what is opened: a path, an URL with its credentials and without our options, the
    text of a pipeline, "" for standard input and synthetic pictures.
    display: what reports may show, without credentials.
    """

    kind: str
    target: str = field(repr=False)
    display: str
    options: SourceOptions = field(default_factory=SourceOptions)

    @property
    def is_live_kind(self) -> bool:
        """Whether it is to be opened again where it ends: it happens now, and has no end of its own.

        An URL of a video file (http://host/clip.mp4) has an end; one that does not say what it is has none.
        """
        if self.kind == "http":
            suffix = PurePosixPath(unquote(urlsplit(self.target).path)).suffix.lower()
            return suffix not in VIDEO_SUFFIXES - _ENDLESS_SUFFIXES
        return self.kind in _LIVE_KINDS or self.options.live


def parse_source(text: str) -> SourceUri:
    """Return the source that `text` names.  Looks at the file system, but opens nothing.

    Raises UsageError for an unknown scheme, an unknown option and a value out of range.
    """
    if match := _GST.fullmatch(text):
        return _gst(match[1] or "", match[2].strip())
    if match := _SYNTHETIC.fullmatch(text):
        return SourceUri("synthetic", "", text, parse_options("synthetic", match[1] or "", thing=text))
    if match := _STANDARD_INPUT.fullmatch(text):
        return SourceUri("stdin", "", "standard input", parse_options("stdin", match[1] or "", thing=text))
    if match := _DEVICE.fullmatch(text):
        device = f"/dev/video{int(match[1])}" if match[1].isdigit() else match[1]
        return SourceUri("device", device, device, parse_options("device", match[2] or "", thing=text))
    if match := _SCHEME.match(text):
        return _network(match[1].lower(), text)
    return _on_disk(*_split_path(text))


def expand_stream_sources(arguments: Iterable[str]) -> list[SourceUri | InputError]:
    """Return the sources that `arguments` name, in their order.

    Each is what `parse_source` takes, or a folder of videos, a pattern or a `@list` as in `expand_sources`.
    Options after a folder or a pattern hold for all that it stands for.  In a list, relative paths start at the
    list; one that cannot be read stands in its place as an InputError, and so does a line that makes no sense.

    Raises UsageError where there is no source at all, where standard input is named twice, and as `parse_source`
    does for what is no line of a list.
    """
    sources: list[SourceUri | InputError] = []
    for argument in arguments:
        sources += _listed(argument) if argument.startswith("@") else _expanded(argument)
    if not sources:
        raise UsageError("SOURCE", "no source given", "name files, folders, cameras, URLs or @list")
    if sum(isinstance(source, SourceUri) and source.kind == "stdin" for source in sources) > 1:
        raise UsageError("SOURCE", "standard input is named more than once", "give - once: it can be read once")
    return sources


def _expanded(entry: str) -> list[SourceUri | InputError]:
    if not _is_path(entry):
        return [parse_source(entry)]
    path, query = _split_path(entry)
    return [found if isinstance(found, InputError) else _on_disk(found, query) for found in expand_sources([path])]


def _is_path(text: str) -> bool:
    forms = (_GST, _SYNTHETIC, _STANDARD_INPUT, _DEVICE)
    return not _SCHEME.match(text) and not any(form.fullmatch(text) for form in forms)


def _listed(argument: str) -> list[SourceUri | InputError]:
    """Return what the lines of `@list` stand for; paths start at the folder of the list."""
    path = Path(argument[1:])
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        lines = []
    entries = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    entries = [(number, entry) for number, entry in entries if entry and not entry.startswith("#")]
    if not entries:  # that is where the reason is found and worded
        return [found for found in expand_sources([argument]) if isinstance(found, InputError)]
    sources: list[SourceUri | InputError] = []
    for number, entry in entries:
        try:
            sources += _expanded(str(path.parent / entry) if _is_path(entry) else entry)
        except UsageError as error:
            sources.append(InputError(f"{argument}:{number}", f"{error.thing}: {error.cause}", error.remedy))
    return sources


def _gst(query: str, pipeline: str) -> SourceUri:
    display = f"gst:{redacted(pipeline, secrets=secrets_in(pipeline))}"
    if not pipeline:
        raise UsageError("gst:", "there is no pipeline", "expected gst:ELEMENT ! ELEMENT, without a sink")
    return SourceUri("gst", pipeline, printable(display), parse_options("gst", query, thing=display))


def _network(scheme: str, text: str) -> SourceUri:
    kind = _KIND_OF_SCHEME.get(scheme)
    if kind is None:
        known = ", ".join(f"{name}://" for name in _KIND_OF_SCHEME)
        raise UsageError(f"{scheme}://", "unknown scheme", f"expected {known}, gst:, synthetic: or a path")
    _check_host(scheme, text)
    address, mark, rest = text.partition("?")
    query, hash_mark, fragment = rest.partition("#")
    own: list[str] = []
    others: list[str] = []
    for part in query.split("&"):
        name = part.partition("=")[0]
        (own if name in option_names(kind) else others).append(part)
    kept = "&".join(part.removeprefix(_FOR_SERVER) for part in others)
    target = address + (mark if kept or not own else "") + kept + hash_mark + fragment
    display = printable(redacted(target))
    return SourceUri(kind, target, display, options_from(kind, own, thing=display))


def _check_host(scheme: str, text: str) -> None:
    """Raise UsageError where there is no host, or a port that is none; without showing what may be a password."""
    thing = f"{scheme}://..."
    if not text.isprintable() or " " in text:
        raise UsageError(thing, "holds a space or a control character", "write it as %XX")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        cause = "its port is no number from 0 to 65535, or its host is malformed"
        raise UsageError(thing, cause, "write / ? # @ and : of a password as %2F %3F %23 %40 and %3A") from None
    if not host:
        raise UsageError(thing, "names no host", f"expected {scheme}://HOST/PATH")


def _split_path(text: str) -> tuple[str, str]:
    """Return the path and the query of `text`; the longest path that exists wins."""
    if os.path.lexists(text):
        return text, ""
    marks = [match.start() for match in _FILE_QUERY.finditer(text)]
    at = next((mark for mark in reversed(marks) if os.path.lexists(text[:mark])), None)
    if at is None:
        at = marks[0] if marks else len(text)
    return text[:at], text[at + 1 :]


def _on_disk(path: str, query: str) -> SourceUri:
    kind = "folder" if os.path.isdir(path) else "file"  # noqa: PTH112 - unlike Path.is_dir, never raises
    display = printable(path)
    return SourceUri(kind, path, display, parse_options(kind, query, thing=display))
