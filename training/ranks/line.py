"""The line between a rank and the supervisor that started it, by way of Paddle's launcher.

The launcher hands on to its ranks no open file but its standard input.  So that is a socket of the supervisor's,
the door, through which each rank hands one end of a line of its own.  Over the line a rank is given its standard
output and standard error, and tells its exit code; its end tells the supervisor that the rank has gone, and the
rank that it is to stop.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

from pptsn.runtime.base.errors import LOST, PptsnError, ToldElsewhereError

_STREAMS = 2  # standard output and standard error
_MOST_BYTES = 64
_supervised = False


def is_supervised() -> bool:
    """Whether this process is a rank with a line: then the supervisor tells what became of the others."""
    return _supervised


def cut_off(thing: object, cause: str, remedy: str) -> PptsnError:
    """Return the error of a rank that is cut off from the others, with the exit code LOST.

    Only a rank without a supervisor tells it.
    """
    error = (ToldElsewhereError if is_supervised() else PptsnError)(thing, cause, remedy)
    error.exit_code = LOST
    return error


class RankLine:
    """A rank's end of its line, which it opens through its standard input, the door."""

    def __init__(self, rank: int) -> None:
        global _supervised
        self._ours, theirs = socket.socketpair()
        with theirs, socket.socket(fileno=os.dup(0)) as door:
            socket.send_fds(door, [f"{rank} {os.getpid()}".encode()], [theirs.fileno()])
        _, streams, _, _ = socket.recv_fds(self._ours, _MOST_BYTES, _STREAMS)
        if len(streams) < _STREAMS:  # the supervisor has gone
            os._exit(LOST)
        for number, stream in zip((0, 1, 2), (os.open(os.devnull, os.O_RDONLY), *streams), strict=True):
            os.dup2(stream, number)
            os.close(stream)
        _supervised = True
        threading.Thread(target=self._stop_at_its_end, name="line to the supervisor", daemon=True).start()

    def _stop_at_its_end(self) -> None:
        with suppress(OSError):
            self._ours.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)

    def tell(self, code: int) -> None:
        """Tell the exit code with which this process is about to end."""
        with suppress(OSError):  # nobody is there
            self._ours.sendall(str(code).encode())


@dataclass
class Caller:
    """The supervisor's end of a rank's line.

    code: the exit code that the rank told; None before, and for good where it was killed or crashed.
    """

    rank: int
    pid: int
    line: socket.socket
    code: int | None = None

    def give(self, streams: tuple[int, int]) -> None:
        """Give the rank its standard output and standard error, by the numbers of open files."""
        with suppress(OSError):  # it has gone
            socket.send_fds(self.line, [b"streams"], list(streams))

    def hear(self) -> bool:
        """Take what the rank says; returns whether its line has ended."""
        try:
            said = self.line.recv(_MOST_BYTES)
        except ConnectionError:
            said = b""
        if said:
            self.code = int(said)
        return not said

    def let_go(self) -> None:
        """Have the rank stop."""
        with suppress(OSError):  # it has gone
            self.line.shutdown(socket.SHUT_WR)


def open_door() -> tuple[socket.socket, socket.socket]:
    """Return the supervisor's end of the door, and the one that is to be the launcher's standard input."""
    return socket.socketpair(type=socket.SOCK_DGRAM)


def caller_at(door: socket.socket) -> Caller:
    """Return the rank that has opened its line through `door`."""
    said, descriptors, _, _ = socket.recv_fds(door, _MOST_BYTES, 1)
    rank, pid = map(int, said.split())
    return Caller(rank, pid, socket.socket(fileno=descriptors[0]))
