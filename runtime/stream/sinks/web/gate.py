"""Accepting connections to the web page: a bounded number, whoever comes, and however fast."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import resource
import socket
import time
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.stream.sinks.web.guest import Guest, Limits, place_of

# What the system lets wait for us; it may take fewer.
_BACKLOG = 4096
# However many come, accepting takes a quarter of the thread's time: a turn, then thrice as long nothing.  In a
# turn come so few that who asks at once is served before all at its place have had to yield.
_TURNS = 8
_REST = 3
# After the system had nothing left for a connection.
_RETRY_S = 0.5
_SWEEP_S = 0.25
# Descriptors that stay free for outputs and sources; where the limit is low, a quarter of it.
_RESERVE = 64
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Gate:
    """Accepts connections at `listener`, and gives those that send something to a protocol of the server's.

    asyncio's own way takes all who come, with a transport and a protocol each, until no descriptor is left for
    outputs, and then logs a line an attempt.  Here one who has sent nothing is a bare socket, and where there are
    as many guests as there may be, at the newcomer's place or in all (or as descriptors allow), one yields: who
    has waited longest without asking for anything; in all, at the most crowded place.  Who has asked and waits for
    an answer yields to nobody: if all do, the newcomer is turned away.

    listener: bound.  protocol_for: called in the event loop with a guest that has sent something.
    To be used in the event loop, but for `check`.
    """

    def __init__(
        self, listener: socket.socket, protocol_for: Callable[[Guest], asyncio.Protocol], limits: Limits
    ) -> None:
        self._listener = listener
        self._protocol_for = protocol_for
        self._limits = limits
        self._places: dict[str, set[Guest]] = {}
        self._serving: set[asyncio.Task[object]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._refusal = ""

    def open(self) -> None:
        """Begin to listen and to accept."""
        self._listener.setblocking(False)
        self._listener.listen(_BACKLOG)
        self._go_on()
        self._sweep()

    def close(self) -> None:
        """Accept no more, and hang up on all."""
        for timer in self._timers.values():
            timer.cancel()
        asyncio.get_running_loop().remove_reader(self._listener)
        for guest in list(self._guests()):
            self._dismiss(guest)

    def check(self) -> None:
        """Raise PptsnError where the system had too little left for a connection since the last call."""
        refusal, self._refusal = self._refusal, ""
        if refusal:
            remedy = "raise the limit of open files (ulimit -n), or divide the streams among several programs"
            raise PptsnError("web page", f"connections are turned away ({refusal})", remedy)

    def _guests(self) -> Iterator[Guest]:
        return (guest for place in self._places.values() for guest in place)

    def _go_on(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._timers["rest"] = loop.call_later(seconds, self._go_on)

    def _accept(self) -> None:
        began_s = time.monotonic()
        for _ in range(max(1, self._limits.most_at_one // _TURNS)):
            try:
                sock, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._refusal = os.strerror(error.errno)
                    self._make_room_anywhere()
                return self._rest(_RETRY_S)
            self._receive(sock, place_of(peer[0]))
        self._rest(_REST * (time.monotonic() - began_s))

    def _receive(self, sock: socket.socket, place: str) -> None:
        sock.setblocking(False)
        if not self._has_room(sock, place):
            sock.close()
            return
        guest = Guest(sock, place, left=self._forget)
        self._places.setdefault(place, set()).add(guest)
        asyncio.get_running_loop().add_reader(guest, self._hear, guest)

    def _has_room(self, sock: socket.socket, place: str) -> bool:
        """Return whether one more can come in, if need be for another who yields."""
        here = self._places.get(place, set())
        if len(here) >= self._limits.most_at_one:
            return self._make_room(here)
        if sock.fileno() >= _first_reserved():  # the system gives the lowest that is free
            self._refusal = "few descriptors are left"
            return self._make_room_anywhere()
        if sum(map(len, self._places.values())) >= self._limits.most:
            return self._make_room_anywhere()
        return True

    def _make_room_anywhere(self) -> bool:
        crowded_first = sorted(self._places.values(), key=len, reverse=True)
        return any(map(self._make_room, crowded_first))

    def _make_room(self, guests: Collection[Guest]) -> bool:
        """Dismiss one of `guests`; return whether one could be."""
        for guest in sorted(guests, key=attrgetter("since_s")):
            if guest.silent and guest.first_byte():
                self._serve(guest)  # it has sent something, of which the loop has not told us yet
            elif not guest.busy:
                self._dismiss(guest)
                return True
        return False

    def _hear(self, guest: Guest) -> None:
        first_byte = guest.first_byte()
        if first_byte:
            self._serve(guest)
        elif first_byte is not None:
            self._dismiss(guest)

    def _serve(self, guest: Guest) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(guest)
        task = loop.create_task(guest.served_by(self._protocol_for(guest)))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _sweep(self) -> None:
        for guest in [guest for guest in self._guests() if guest.overdue(self._limits)]:
            self._dismiss(guest)
        self._timers["sweep"] = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _dismiss(self, guest: Guest) -> None:
        if guest.silent:
            asyncio.get_running_loop().remove_reader(guest)
        guest.close()
        self._forget(guest)

    def _forget(self, guest: Guest) -> None:
        here = self._places.get(guest.place, set())
        here.discard(guest)
        if not here:
            self._places.pop(guest.place, None)


def _first_reserved() -> float:
    """Return the number of the first descriptor that the page leaves alone."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if most == resource.RLIM_INFINITY else most - min(_RESERVE, most // 4)
