"""Where an answer comes from: its file as it was then, and what else it depends on.

A row of `pptsn classify --output` says so of itself, and `--resume` goes by it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pptsn.runtime.classify.settings import ClassifySettings
from pptsn.runtime.frames.protocols import Protocol
from pptsn.runtime.video.web.served import Served

# Digits of a model's digest: enough to tell models apart, and few enough for a column.
_DIGITS = 16
# Of moments in UTC.
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Stamp:
    """By what a changed source is told: its bytes, and when it was changed last, in UTC, to a microsecond."""

    file_bytes: int
    modified: str


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of a file, or of a folder and the files in it; None for what is neither."""
    try:
        found = Path(path).stat()
        if stat.S_ISREG(found.st_mode):
            return _stamp(found.st_size, found.st_mtime_ns)
        if not stat.S_ISDIR(found.st_mode):
            return None
        inside = list(_files_in(path))
    except (OSError, ValueError):
        return None
    return _stamp(sum(each.st_size for each in inside), max(each.st_mtime_ns for each in (found, *inside)))


def stamp_of_served(served: Served | None) -> Stamp | None:
    """Return the stamp of a web server's file; None where the server did not say all of it."""
    return None if served is None else _stamp(served.size_bytes, served.modified_s * 1_000_000_000)


def _files_in(folder: str) -> Iterator[os.stat_result]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield entry.stat()


def _stamp(size: int, modified_ns: int) -> Stamp:
    seconds, fraction_ns = divmod(modified_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=fraction_ns // 1000)
    return Stamp(size, moment.strftime(MOMENT))


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where one answer comes from, how it was looked at aside.

    stamp: of the source before it was opened; None where nothing tells.
    model: the beginning of the model's digest.  accept_damaged: as in ClassifySettings.
    """

    stamp: Stamp | None
    model: str
    accept_damaged: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of one line of `classify --output`."""
        stamp = {"file_bytes": None, "modified": None} if self.stamp is None else asdict(self.stamp)
        return {**stamp, "model": self.model, "accept_damaged": self.accept_damaged}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the answers of a run depend on, their files aside.

    top: how many leading classes each has.  evidence: whether each has it; None where that cannot be told.
    The others are as in Origin and Protocol.
    """

    model: str
    segments: int
    views: str
    sampling: str
    resize_rule: str
    accept_damaged: bool
    top: int
    evidence: bool | None

    @classmethod
    def of(cls, digest: str, settings: ClassifySettings, protocol: Protocol, *, top: int) -> Terms:
        """Return the terms of a run by `settings`, which looks at clips by `protocol`.

        digest: of the model's content, in hexadecimal.
        """
        return cls(
            model=digest[:_DIGITS],
            **asdict(protocol),
            accept_damaged=settings.accept_damaged,
            top=top,
            evidence=settings.evidence,
        )

    def origin(self, path: str) -> Origin:
        """Return where an answer for what now lies at `path` comes from."""
        return Origin(stamp=stamp_of(path), model=self.model, accept_damaged=self.accept_damaged)

    def unlike(self, other: Terms) -> str:
        """Return in words what these are that `other` are not: another model, or settings; "" where all agree."""
        if self.model != other.model:
            return f"another model ({self.model}, not {other.model})"
        own, others = asdict(self), asdict(other)
        differing = [name for name in own if own[name] not in (others[name], None)]
        settings = [f"{name} {own[name]}, not {others[name]}" for name in differing]
        return f"other settings ({'; '.join(settings)})" if settings else ""
