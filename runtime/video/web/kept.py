"""The bytes of a file of which some are known; they lie in a temporary file without a name."""

from __future__ import annotations

import os
import tempfile

from pptsn.runtime.base.closing import Closing

# Bytes are known by blocks of so many.
BLOCK = 4096


class Kept(Closing):
    """What is known of a file.  Raises OSError where there is no room for it.

    size: bytes of the file; 0 until `resize`.  count: bytes that were written.
    """

    def __init__(self) -> None:
        self._store = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._known = bytearray()
        self.size = self.count = 0

    def resize(self, size: int) -> None:
        """Take `size` for that of the file; what was known stays known."""
        self.size = size
        self._known.extend(bytes(_blocks(size) - len(self._known)))

    def write(self, at: int, data: bytes) -> None:
        """Keep `data` as the bytes from `at` on."""
        os.pwrite(self._store.fileno(), data, at)
        self.count += len(data)

    def know(self, begin: int, end: int) -> None:
        """Take the bytes from the block that holds `begin` to before `end` for known, all of which were written.

        A block that `end` lies in is not known yet, but for the last one of the file.
        """
        first, last = begin // BLOCK, _blocks(end) if end >= self.size else end // BLOCK
        self._known[first:last] = b"\1" * (last - first)

    def known_from(self, at: int, *, most: int) -> int:
        """Return how many bytes from `at` on are known, of `most`."""
        first, last = at // BLOCK, _blocks(at + most)
        unknown = self._known.find(b"\0", first, last)
        end = min(self.size, last * BLOCK) if unknown < 0 else unknown * BLOCK
        return max(0, min(end - at, most))

    def gap(self, begin: int, end: int) -> tuple[int, int] | None:
        """Return the first stretch of whole blocks, of those that hold `begin` to before `end`, not known."""
        last = _blocks(min(end, self.size))
        unknown = self._known.find(b"\0", begin // BLOCK, last)
        if unknown < 0:
            return None
        known = self._known.find(b"\1", unknown, last)
        return unknown * BLOCK, min(self.size, (last if known < 0 else known) * BLOCK)

    def read(self, at: int, count: int) -> bytes:
        """Return `count` bytes from `at` on, which are known."""
        return os.pread(self._store.fileno(), count, at)

    def close(self) -> None:
        """Forget all; a second call does nothing."""
        self._store.close()


def _blocks(size: int) -> int:
    return -(-size // BLOCK)
