"""What a run measures: `metrics.jsonl`, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.lines import LineFile


class MetricsLog(Closing):
    """Appends to `metrics.jsonl`, each line whole or not at all.  `close` may be called twice.

    keep_bytes: the length that a checkpoint recorded; what came after it belongs to work that is done again, and
    is cut off.
    All methods raise InputError where the file cannot be written, or not further.
    """

    def __init__(self, path: Path, *, keep_bytes: int = 0) -> None:
        self._path, self._file = path, LineFile(path)
        with self._named():
            if (path.stat().st_size if path.exists() else 0) < keep_bytes:
                raise InputError(path, f"is shorter than the {keep_bytes} bytes that its checkpoint recorded")
            if path.exists():
                os.truncate(path, keep_bytes)
            self._file.open()

    def write(self, kind: str, **values: Any) -> None:
        """Append one object; `kind` ("iteration", "epoch" or "profile") becomes its first key."""
        with self._named():
            self._file.write_line(json.dumps({"kind": kind, **values}))

    def durable_bytes(self) -> int:
        """Bring what was written onto the disk, and return the length of the file in bytes."""
        with self._named():
            return self._file.sync()

    def close(self) -> None:
        """Close the file."""
        with self._named():
            self._file.close()

    def _named(self) -> AbstractContextManager[None]:
        return writing(self._path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise InputError in place of an OSError in the block, which writes to `path` what a run measures."""
    try:
        yield
    except OSError as error:
        cause = f"cannot be written ({reason_of(error)})"
        raise InputError(path, cause, "make room, then go on with --resume") from error


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a `metrics.jsonl`, leaving out a last line that is not finished yet."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)
