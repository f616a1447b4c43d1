"""A web server for tests that answers, or misbehaves, as a script says."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any

_MAX_S = 20.0
# Answers without end: how they begin, and what follows again and again.
_ENDLESS = {
    "endless head": (b"HTTP/1.1 200 OK\r\n", b"X-a: " + b"b" * 1000 + b"\r\n"),
    "endless line": (b"HTTP/1.1 200 OK\r\nX-a: ", b"b" * 65536),
    "endless interim": (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
    "endless body": (b"HTTP/1.1 200 OK\r\n\r\n", b"b" * 65536),
    "endless error": (b"HTTP/1.1 404 Not Found\r\n\r\n", b"b" * 65536),
}


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Takes one request a connection.  `script` says how to answer them, in turn; its last entry repeats.

    An entry is a status with perhaps headers ("503 Retry-After: 1"), or "hang", "trickle", "garbage", "hang up",
    or one of _ENDLESS.
    """

    def __init__(self, *script: str, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.times_s: list[float] = []
        self._tls = tls
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(_MAX_S)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                how = self._read(connection)
                self._answer(connection, how)
        except OSError:
            connection.close()

    def _read(self, connection: socket.socket) -> str:
        stream = connection.makefile("rb")
        line = stream.readline().decode().strip()
        headers = {}
        while (header := stream.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        self.times_s.append(time.monotonic())
        self.requests.append(Request(line, headers, body))
        return self.script[min(len(self.requests), len(self.script)) - 1]

    def _answer(self, connection: socket.socket, how: str) -> None:
        if how == "hang":
            self._stopped.wait(_MAX_S)
        elif how == "trickle":
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not self._stopped.wait(0.02):
                connection.sendall(b"x")
        elif how in _ENDLESS:
            beginning, more = _ENDLESS[how]
            connection.sendall(beginning)
            while not self._stopped.is_set():
                connection.sendall(more)
        elif how == "garbage":
            connection.sendall(b"220 smtp.example.com ESMTP\r\n")
        elif how != "hang up":
            status, _, header = how.partition(" ")
            connection.sendall(f"HTTP/1.1 {status} \r\n{header or 'X: y'}\r\nContent-Length: 0\r\n\r\n".encode())
