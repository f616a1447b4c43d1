"""How many bytes are hashed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest


class HashedBytes:
    """Counts what SHA-256 is computed of, from when it is made.  `count`: bytes so far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._make = hashlib.sha256
        monkeypatch.setattr(hashlib, "sha256", self._new)

    def _new(self, data: Any = b"") -> _Counting:
        return _Counting(self, self._make(), data)


class _Counting:
    def __init__(self, counter: HashedBytes, real: Any, data: Any = b"") -> None:
        self._counter, self._real = counter, real
        self.update(data)

    def update(self, data: Any) -> None:
        self._counter.count += memoryview(data).nbytes
        self._real.update(data)

    def copy(self) -> _Counting:
        return _Counting(self._counter, self._real.copy())

    @property
    def digest_size(self) -> int:
        return int(self._real.digest_size)

    def digest(self) -> bytes:
        return bytes(self._real.digest())

    def hexdigest(self) -> str:
        return str(self._real.hexdigest())
