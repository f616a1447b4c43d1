"""What a run measures: `metrics.jsonl`, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import InputError


class MetricsLog:
    """Appends to `metrics.jsonl`.  A context manager; `close` may be called twice.

    keep_bytes: the length that a checkpoint recorded; what came after it belongs to work that is done again, and
    is cut off.
    """

    def __init__(self, path: Path, *, keep_bytes: int = 0) -> None:
        try:
            self._stream = open(path, "ab")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise InputError(path, f"cannot be written ({error.strerror})", "choose a writable folder") from error
        if self._stream.seek(0, os.SEEK_END) < keep_bytes:
            self.close()
            raise InputError(path, f"is shorter than the {keep_bytes} bytes that its checkpoint recorded")
        self._stream.truncate(keep_bytes)
        self._stream.seek(keep_bytes)

    def write(self, kind: str, **values: Any) -> None:
        """Append one object; `kind` ("iteration" or "epoch") becomes its first key."""
        self._stream.write(json.dumps({"kind": kind, **values}).encode() + b"\n")
        self._stream.flush()

    def durable_bytes(self) -> int:
        """Bring what was written onto the disk, and return the length of the file in bytes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a `metrics.jsonl`, leaving out a last line that is not finished yet."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)
