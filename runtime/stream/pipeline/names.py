"""Names for streams: short, unique, and safe in file names, addresses and topics."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath
from urllib.parse import urlsplit

from pptsn.runtime.stream.sources.uri import SourceUri

_UNSAFE = re.compile(r"[^\w.-]+")
_MAX_LENGTH = 48


def stream_name(uri: SourceUri, taken: Collection[str]) -> str:
    """Return a name for the stream of `uri` that is none of `taken`: the one it was given, or one from its source.

    A name that was given is made safe and unique as well.
    """
    name = _safe(uri.options.name or _from_source(uri)) or uri.kind
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _from_source(uri: SourceUri) -> str:
    if uri.kind in ("rtsp", "rtmp", "http"):
        parts = urlsplit(uri.display)  # the target may hold credentials
        return f"{parts.hostname or ''}{parts.path}"
    if uri.kind in ("file", "folder", "device"):
        return PurePath(uri.target).name
    return uri.kind


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).strip("-.")[:_MAX_LENGTH]
