"""One HTTP POST with a limit on its whole time, which other threads can shorten while it runs."""

from __future__ import annotations

import http.client
import io
import os
import selectors
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

# How soon a shortened limit is noticed.
_SLICE_S = 0.1

_T = TypeVar("_T")
TimeLeft = Callable[[], float]


@dataclass(frozen=True)
class Address:
    """Where to post: the parts of an URL.  host: without brackets; target: path and query, percent-encoded."""

    secure: bool
    host: str
    port: int
    target: str


@dataclass(frozen=True)
class Answer:
    """What the server said.  retry_after: its header of this name, or ""."""

    status: int
    retry_after: str


def post(address: Address, body: bytes, headers: dict[str, str], *, time_left: TimeLeft) -> Answer:
    """Post `body` and return the answer's status; redirects are not followed, the answer's body is not read.

    time_left: returns the seconds that are left for all that is still to do; asked again and again, so a server
    that sends a byte now and then gains nothing.  Only looking up the name has the system's own limits.
    Raises TimeoutError when none are left, OSError where the connection fails, and http.client.HTTPException
    where the answer is not HTTP.
    """
    connection = _Connection(address, time_left)
    try:
        connection.request("POST", address.target, body=body, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.getheader("Retry-After") or "")
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """Takes the protocol from the standard library, and the waiting into its own hands."""

    def __init__(self, address: Address, time_left: TimeLeft) -> None:
        super().__init__(address.host, address.port)
        self.default_port = 443 if address.secure else 80  # at which the header Host leaves it out
        self._secure = address.secure
        self._time_left = time_left

    def connect(self) -> None:
        """Connect, and shake hands where the address is secure."""
        plain = _connected(self.host, self.port, self._time_left)
        try:
            self.sock: Any = _PatientSocket(self._secured(plain) if self._secure else plain, self._time_left)
        except BaseException:
            plain.close()
            raise

    def _secured(self, plain: socket.socket) -> socket.socket:
        context = ssl.create_default_context()
        secure = context.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        try:
            _sliced(secure.do_handshake, secure, self._time_left)
        except BaseException:
            secure.close()
            raise
        return secure


class _PatientSocket:
    """What http.client uses of a socket."""

    def __init__(self, sock: socket.socket, time_left: TimeLeft) -> None:
        self._sock = sock
        self._time_left = time_left

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            sent = _sliced(lambda rest=rest: self._sock.send(rest), self._sock, self._time_left)  # type: ignore[misc]
            rest = rest[sent:]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._time_left))

    def close(self) -> None:
        self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, time_left: TimeLeft) -> None:
        self._sock = sock
        self._time_left = time_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return _sliced(lambda: self._sock.recv_into(buffer), self._sock, self._time_left)


def _sliced(step: Callable[[], _T], sock: socket.socket, time_left: TimeLeft) -> _T:
    """Repeat `step`, which may be repeated after a timeout, until it is done or no time is left."""
    while True:
        sock.settimeout(_slice_of(time_left))
        try:
            return step()
        except TimeoutError:
            continue


def _slice_of(time_left: TimeLeft) -> float:
    left_s = time_left()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return min(left_s, _SLICE_S)


def _connected(host: str, port: int, time_left: TimeLeft) -> socket.socket:
    """Return a socket that is connected to the first address of `host` that takes it."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            _connect(sock, place, time_left)
        except OSError as error:
            sock.close()
            failure = error
            if isinstance(error, TimeoutError) and time_left() <= 0:
                break
        else:
            return sock
    raise failure or OSError("the name has no address")


def _connect(sock: socket.socket, place: Any, time_left: TimeLeft) -> None:
    sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        try:
            sock.connect(place)
        except BlockingIOError:
            while not selector.select(_slice_of(time_left)):
                pass
    error_number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error_number:
        raise OSError(error_number, os.strerror(error_number))
