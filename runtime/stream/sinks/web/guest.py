"""One connection to the web page: who it is, what it is doing, and when it has taken too long."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

# Closing with this (no lingering, for 0 s) leaves no state behind in the system, however many are closed.
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Limits:
    """What connections may take.

    most: of all places together; most_at_one: of one, see `place_of`.
    asking_s: until the first byte; and from there, or from the end of the last answer, until the whole head of a
        request is there.
    answer_s: until an answer has gone out, unless it has no end.
    """

    most: int = 256
    most_at_one: int = 128
    asking_s: float = 10.0
    answer_s: float = 60.0


class Guest(asyncio.Protocol):
    """A connection: a bare socket while it is silent, and from its first byte on a transport for another protocol.

    left: called with the guest once the transport has gone.
    place: where it comes from.  trusted: whether it has shown the page's token.
    since_s: when, by the monotonic clock, it last did anything but send: came, spoke first, or got an answer.
    """

    def __init__(self, sock: socket.socket, place: str, *, left: Callable[[Guest], None]) -> None:
        self.place = place
        self.trusted = False
        self.silent = True
        self.since_s = time.monotonic()
        self._socket = sock
        self._left = left
        self._answers = 0
        self._endless = False
        self._closed = False
        self._protocol = asyncio.Protocol()  # which does nothing
        self._transport: asyncio.Transport | None = None

    @property
    def busy(self) -> bool:
        """Whether it has asked for something that it has not got yet."""
        return self._answers > 0

    def fileno(self) -> int:
        """Return the socket's descriptor, so that a loop can watch it while the guest is silent."""
        return self._socket.fileno()

    def first_byte(self) -> bytes | None:
        """Return what a silent guest has sent: None for nothing yet, b"" where it has hung up."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""

    def served_by(self, protocol: asyncio.Protocol) -> Coroutine[Any, Any, object]:
        """Let `protocol` have the connection of a guest that was silent, once what is returned has run."""
        self.silent = False
        self.since_s = time.monotonic()
        self._protocol = protocol
        return asyncio.get_running_loop().connect_accepted_socket(lambda: self, self._socket)

    @contextmanager
    def answering(self, *, endless: bool) -> Iterator[None]:
        """Hold while a request is answered.  endless: the answer has no end, and so no limit."""
        self._answers += 1
        self._endless = endless
        self.since_s = time.monotonic()
        try:
            yield
        finally:
            self._answers -= 1
            self._endless = False
            self.since_s = time.monotonic()

    def overdue(self, limits: Limits) -> bool:
        """Return whether it has taken longer than it may."""
        if self._endless:
            return False
        unsent = self._transport is not None and self._transport.get_write_buffer_size() > 0
        most_s = limits.answer_s if self.busy or unsent else limits.asking_s
        return time.monotonic() - self.since_s >= most_s

    def close(self) -> None:
        """Hang up, whatever is not sent yet; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self.silent:
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self._socket.close()
        elif self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and hand it on."""
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.connection_made(transport)
        if self._closed:  # meanwhile
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand it on."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Hand it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on, and leave."""
        self._closed = True
        self._protocol.connection_lost(exc)
        self._left(self)


def place_of(host: str) -> str:
    """Return the place of an IP address: itself; of IPv6 its network of 64 bits, as one host may have it all."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)
