"""What comes through a pipe, passed on to FFmpeg and remembered, so that it can be told whether it is whole."""

from __future__ import annotations

import io
import os
import select
import threading
from collections import deque
from contextlib import suppress
from typing import BinaryIO

_CHUNK_BYTES = 1 << 16
_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 1 << 25


class Passed:
    """A thread that reads the descriptor `source` to its end and writes all to a pipe, whose other end is `fd`.

    Remembers the first bytes and the last ones.
    """

    def __init__(self, source: int) -> None:
        self._source = source
        self.fd, self._target = os.pipe()
        self._wake, self._waker = os.pipe()
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._total = 0
        self._ended = False
        self._thread = threading.Thread(target=self._pass_on, name="pass on", daemon=True)
        self._thread.start()

    def content(self) -> BinaryIO:
        """Return what came, as a file; raises OSError where more may come.

        Reading what is between the first bytes and the last, and not remembered, raises OSError as well.
        """
        if not self._ended:
            raise OSError("it has not ended")
        return io.BufferedReader(_Remembered(bytes(self._head), b"".join(self._tail), self._total))

    def close(self) -> None:
        """End the thread and close the pipe, not its source; a second call does nothing."""
        if self._waker < 0:
            return
        os.close(self.fd)  # it may be writing
        os.close(self._waker)
        self._waker = -1
        self._thread.join()
        os.close(self._wake)

    def _pass_on(self) -> None:
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        with suppress(OSError):  # whoever reads the pipe has closed it, or there is nothing left to read from
            while all(descriptor != self._wake for descriptor, _ in poll.poll()):
                chunk = os.read(self._source, _CHUNK_BYTES)
                if not chunk:
                    self._ended = True
                    break
                self._remember(chunk)
                left = memoryview(chunk)
                while left:
                    left = left[os.write(self._target, left) :]
        os.close(self._target)

    def _remember(self, chunk: bytes) -> None:
        self._head += chunk[: max(0, _HEAD_BYTES - len(self._head))]
        self._total += len(chunk)
        self._tail.append(chunk)
        self._tail_bytes += len(chunk)
        while self._tail_bytes - len(self._tail[0]) >= _TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())


class _Remembered(io.RawIOBase):
    """`size` bytes of which the first and the last are known, as a file that can be read in any order."""

    def __init__(self, head: bytes, tail: bytes, size: int) -> None:
        self._head, self._tail, self._size = memoryview(head), memoryview(tail), size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        tail_at = self._size - len(self._tail)
        known = self._tail[self._at - tail_at :] if self._at >= tail_at else self._head[self._at :]
        if not known and self._at < self._size:
            raise OSError("these bytes are not remembered")
        count = min(len(known), len(buffer))
        buffer[:count] = known[:count]
        self._at += count
        return count
