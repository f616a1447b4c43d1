"""Many connections to the web page that want nothing of it."""

from __future__ import annotations

import itertools
import select
import socket
import threading

from pptsn.runtime.base.closing import Closing

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
# What one of a crowd sends once, by the kind of crowd.
OPENINGS = {
    "silent": b"",
    "one byte": b"G",
    "half a head": b"GET /healthz" + HOST + b"X-a: ",
    "a request and no more": b"GET /healthz" + HOST + b"\r\n",
    "a body that never ends": b"GET /healthz" + HOST + b"Content-Length: 100000\r\n\r\nx",
    "a post that never ends": b"POST /" + HOST + b"Content-Length: 100000\r\n\r\nx",
    "a head that is too large": b"GET /" + HOST + b"X-a: " + b"a" * 20_000,
}


class Crowd(Closing):
    """Holds `size` connections to `port` of this machine, in a thread, and opens again what is closed.

    sources: the addresses that they come from, in turn.
    """

    def __init__(self, port: int, size: int, *, kind: str = "silent", sources: tuple[str, ...] = ("127.0.0.2",)):
        self.opened = 0
        self._port = port
        self._size = size
        self._opening = OPENINGS[kind]
        self._sources = itertools.cycle(sources)
        self._held: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        for one in self._held.values():
            one.close()
        self._held.clear()

    def _run(self) -> None:
        while not self._stopped.wait(0.02):
            for descriptor, _ in self._poll.poll(0):
                self._read(descriptor)
            while len(self._held) < self._size and not self._stopped.is_set() and self._open():
                pass

    def _open(self) -> bool:
        one = socket.socket()
        one.settimeout(0.5)
        try:
            one.bind((next(self._sources), 0))
            one.connect(("127.0.0.1", self._port))
            one.setblocking(False)
            one.send(self._opening)
        except OSError:
            one.close()
            return False
        self.opened += 1
        self._held[one.fileno()] = one
        self._poll.register(one, select.POLLIN | select.POLLHUP)
        return True

    def _read(self, descriptor: int) -> None:
        try:
            more = self._held[descriptor].recv(1 << 16)
        except OSError:
            more = b""
        if not more:
            self._poll.unregister(descriptor)
            self._held.pop(descriptor).close()
