"""A file on a web server of the loopback that does what a test wants of it, and counts the bytes that it sends."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_PIECE = 1 << 14


@dataclass
class Parts:
    """A route that sends `data`, in parts where it is asked for parts.

    ranges: whether parts can be had.  states_length: whether it says how long it is.
    cut: returns, for the number of an answer, after how many bytes it ends, or None.
    reset: whether the connection is broken off there rather than closed.
    most: bytes of an answer, whatever is asked for.  fails_at: the number of the answer from which on it is 500.
    pause_s: between pieces.  headers: of every answer; may change.
    asked: from where to where each answer was to reach.  sent: bytes of all answers.
    """

    data: bytes
    ranges: bool = True
    states_length: bool = True
    cut: Callable[[int], int | None] = lambda _: None
    reset: bool = False
    most: int | None = None
    fails_at: int | None = None
    pause_s: float = 0.0
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "video/mp4"})
    asked: list[tuple[int, int]] = field(default_factory=list)
    sent: int = 0

    def __call__(self, handler: Any) -> None:
        size = len(self.data)
        wanted = _RANGE.fullmatch(handler.headers.get("Range", "")) if self.ranges else None
        begin, end = (int(wanted[1]), min(int(wanted[2]) + 1, size)) if wanted else (0, size)
        if wanted and self.most is not None:
            end = min(end, begin + self.most)
        if self.fails_at is not None and len(self.asked) >= self.fails_at:
            handler.send_error(500)
            return
        cut = self.cut(len(self.asked))
        self.asked.append((begin, end))
        if wanted and begin >= size:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{size}")
            handler.end_headers()
            return
        handler.send_response(206 if wanted else 200)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if wanted:
            handler.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        if self.states_length:
            handler.send_header("Content-Length", str(end - begin))
        handler.end_headers()
        self._send(handler, self.data[begin : end if cut is None else begin + cut])
        if cut is not None and self.reset:
            hard = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)

    def _send(self, handler: Any, data: bytes) -> None:
        for at in range(0, len(data), _PIECE):
            handler.wfile.write(data[at : at + _PIECE])
            self.sent += len(data[at : at + _PIECE])
            handler.over.wait(self.pause_s)


def redirect(target: str) -> Callable[[Any], None]:
    """Return a route that sends whoever asks to `target`."""

    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer
