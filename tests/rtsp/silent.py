"""What listens on a port and is no camera."""

from __future__ import annotations

import contextlib
import socket
import threading

from pptsn.runtime.base.closing import Closing

HTML = (
    b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: 44\r\nConnection: close\r\n\r\n"
    b"<html><body><h1>Router login</h1></body></html>"[:44]
)
# The beginning of an answer that never ends.
ENDLESS = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: "


class SilentListener(Closing):
    """Accepts connections, says `greeting` to each, then a byte each `trickle_s` seconds if given, else nothing.

    With `hang_up` a connection is closed after the greeting; else it stays open until `close`.
    """

    def __init__(self, greeting: bytes = b"", *, trickle_s: float | None = None, hang_up: bool = False) -> None:
        self._greeting, self._trickle_s, self._hang_up = greeting, trickle_s, hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._closing = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="silent listener")]
        self._threads[0].start()

    def url(self, scheme: str = "rtsp") -> str:
        """Return its address."""
        return f"{scheme}://127.0.0.1:{self.port}/cam"

    def close(self) -> None:
        """Close all connections and end all threads; a second call does nothing."""
        self._closing.set()
        for listener in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in accept, which close would not
            listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(connection)
            talker = threading.Thread(target=self._talk, args=[connection], name="silent talker")
            self._threads.append(talker)
            talker.start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._greeting:
                connection.recv(4096)
                connection.sendall(self._greeting)
            if self._hang_up:
                connection.shutdown(socket.SHUT_RDWR)
            while self._trickle_s is not None and not self._closing.wait(self._trickle_s):
                connection.sendall(b"x")
