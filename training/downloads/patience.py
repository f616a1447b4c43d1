"""How slow a server of weights may be: a byte now and then is no silence, and would keep a download for years."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request

# So much comes within a server's time, or it is too slow.
_PACE_BYTES = 1 << 14


class Pace:
    """Counts what comes.  time_s: in which some must come, and not a few bytes alone."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._begin()

    def _begin(self) -> None:
        self._count, self._due_s = 0, time.monotonic() + self._time_s

    def complaint(self, received: int) -> str:
        """Count `received` more bytes; return what is wrong where they were too few for their time, or ""."""
        self._count += received
        if self._count >= _PACE_BYTES:
            self._begin()
        elif time.monotonic() > self._due_s:
            return f"sends {self._count} bytes in {self._time_s:g} s, which is too slow"
        return ""


class _Response(HTTPResponse):
    """An answer whose head has to be there within the connection's time, however it comes.

    The socket alone has a time for each of its reads.
    """

    def __init__(self, sock: socket.socket, *how: Any, **other: Any) -> None:
        super().__init__(sock, *how, **other)
        self._socket = sock

    def begin(self) -> None:
        """Read the head; raises TimeoutError where it takes too long."""
        late = threading.Event()

        def leave() -> None:
            late.set()
            with suppress(OSError):  # it has just ended by itself
                # Below TLS, which another thread may not end.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

        timer = threading.Timer(self._socket.gettimeout() or 0, leave)
        timer.daemon = True
        timer.start()
        try:
            super().begin()
        except Exception as error:
            # The socket's own time and this one end at once where nothing comes at all.
            if not (late.is_set() or isinstance(error, TimeoutError)):
                raise
            late.set()
        finally:
            timer.cancel()
        if late.is_set():
            raise TimeoutError("its answer takes too long to begin")


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class PatientHttp(HTTPHandler):
    """Opens http:// addresses; TimeoutError where an answer does not begin in time."""

    def http_open(self, req: Request) -> HTTPResponse:
        """Return the answer."""
        return self.do_open(_Connection, req)


class PatientHttps(HTTPSHandler):
    """Opens https:// addresses; errors as `PatientHttp`."""

    def https_open(self, req: Request) -> HTTPResponse:
        """Return the answer."""
        return self.do_open(_TlsConnection, req)
