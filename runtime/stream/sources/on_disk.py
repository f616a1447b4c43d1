"""Paths as sources: options may follow them, and they may hold a question mark of their own."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from pptsn.runtime.base.files import printable
from pptsn.runtime.stream.sources.base import Options, SourceKind, SourceUri

# What looks like options after a file's name, not like a pattern.
_QUERY = re.compile(r"\?(?=[A-Za-z_]+=)")


class PathKind(SourceKind[Options]):
    """A kind of source on a disk."""

    is_path = True
    is_patient = True

    def parse(self, text: str) -> SourceUri:
        """Return the source at a path with options after it."""
        path, query = split_path(text)
        return self.uri(path, query, display=printable(path))

    def stream_name(self, uri: SourceUri) -> str:
        """Return the last part of the path."""
        return PurePath(uri.target).name


def split_path(text: str) -> tuple[str, str]:
    """Return the path and the query of `text`; the longest path that exists wins."""
    if os.path.lexists(text):
        return text, ""
    starts = [match.start() for match in _QUERY.finditer(text)]
    end = next((start for start in reversed(starts) if os.path.lexists(text[:start])), None)
    if end is None:
        end = starts[0] if starts else len(text)
    return text[:end], text[end + 1 :]
