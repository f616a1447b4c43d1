"""A server on loopback that keeps one file, and sends it as badly as is asked for."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server sends, and what it was asked.

    cuts: after so many bytes of each of the next answers the connection ends.  ranges: whether it sends parts.
    always_parts: whether it answers as if a part had been asked for.
    etag, modified: what tells that the file is the same.  says_length: whether it tells how long the file is.
    statuses: what the next answers are instead.  status_bytes: that come with each; status_sent: that were taken.
    length, content_range: what the server says of them, whatever is true.
    asked: the Range of each request, "" without one.  drips: what comes a byte at a time, for ever: "status",
    "headers", "continue" or "body".
    """

    content: bytes = b""
    etag: str = '"v1"'
    modified: str = ""
    ranges: bool = True
    always_parts: bool = False
    says_length: bool = True
    chunked: bool = False
    kind: str = "application/octet-stream"
    location: str = ""
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    status_bytes: int = 0
    status_sent: int = 0
    length: str = ""
    content_range: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""
    drips: str = ""


class _Server(ThreadingHTTPServer):
    served: Served


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        served = self.server.served
        wanted = self.headers.get("Range", "")
        served.asked.append(wanted)
        self.close_connection = True
        if served.drips:
            self._drip(served.drips)
            return
        if served.statuses:
            self.send_response(served.statuses.pop(0))
            if served.location:
                self.send_header("Location", served.location)
            self.send_header("Content-Length", str(served.status_bytes))
            self.end_headers()
            self._send_zeros(served.status_bytes)
            return
        start = self._start(wanted)
        self._send_head(start)
        body = served.content[start:]
        if served.chunked:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.wfile.write(body[: served.cuts.pop(0)] if served.cuts else body)

    def _drip(self, what: str) -> None:
        begin = {"status": b"HTTP/1.1 20", "headers": b"HTTP/1.1 200 OK\r\nX: ", "continue": b""}
        body = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        piece = b"HTTP/1.1 100 Continue\r\n\r\n" if what == "continue" else b"0"
        with suppress(OSError):  # nobody takes more
            self.wfile.write(begin.get(what, body))
            while True:
                self.wfile.write(piece)
                time.sleep(0.02)

    def _send_zeros(self, count: int) -> None:
        with suppress(OSError):  # nobody takes more
            while self.server.served.status_sent < count:
                self.server.served.status_sent += self.wfile.write(bytes(min(count, 1 << 16)))

    def _start(self, wanted: str) -> int:
        served = self.server.served
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        is_same = self.headers.get("If-Range") in (served.etag, served.modified)
        return int(found[1]) if found and is_same and served.ranges else 0

    def _send_head(self, start: int) -> None:
        served = self.server.served
        is_part = bool(start) or served.always_parts
        self.send_response(206 if is_part else 200)
        if is_part:
            end = len(served.content)
            self.send_header("Content-Range", served.content_range or f"bytes {start}-{end - 1}/{end}")
        if served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif served.says_length:
            self.send_header("Content-Length", served.length or str(len(served.content) - start))
        for name, value in (
            ("ETag", served.etag), ("Last-Modified", served.modified), ("Content-Type", served.kind),
        ):  # fmt: skip
            if value:
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve, at `served.url`, while the block runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.served = served
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/w/best.pdparams"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
