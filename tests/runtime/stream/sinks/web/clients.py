"""Clients of the web page: plain HTTP, server-sent events, and one that never reads."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.waiting import WAIT_S

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that it is refused without a token is what is tested
TOKEN = "s3cret-Token.~+/"  # noqa: S105


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(sink: WebSink, path: str, *, method: str = "GET", **headers: str) -> Answer:
    """Ask a sink for `path`; in a header's name an underscore stands for a dash."""
    connection = http.client.HTTPConnection("127.0.0.1", sink.address.port, timeout=WAIT_S)
    try:
        connection.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


class Browser(Closing):
    """A connection to /api/live."""

    def __init__(self, sink: WebSink, *, receive_buffer_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(("127.0.0.1", sink.address.port))
        self._socket.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def lines(self) -> Iterator[str]:
        """Yield the lines of the answer, headers and chunk sizes among them, until the server ends it."""
        with self._socket.makefile("rb") as stream:
            for line in stream:
                yield line.decode().rstrip("\r\n")

    def events(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the data of each server-sent event."""
        name = ""
        for line in self.lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    def next(self, name: str) -> Any:
        """Return the data of the next event called `name`."""
        return next(data for event, data in self.events() if event == name)

    def close(self) -> None:
        self._socket.close()
