"""What goes wrong with cameras: how a fault begins and ends, and how a stream reports it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.rtsp.client import RtspServer


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with the mount /cam of a server.

    begin, end: make it happen, and make it as it was; a fault that is over at once has nothing to end.
    report: regular expression, found in "STATE: DETAIL" of a notice after the beginning and before the end.
    over: likewise, of a notice after the end; "" where there is none.
    """

    name: str
    begin: Callable[[RtspServer], None]
    end: Callable[[RtspServer], None]
    report: str
    over: str = "^live: "


def nothing(server: RtspServer) -> None:
    """Leave the server as it is."""


def grow(server: RtspServer) -> None:
    server.resize(640, 360)


def shrink(server: RtspServer) -> None:
    server.resize(320, 240)


def send_jpeg(server: RtspServer) -> None:
    server.change_codec("jpeg")


def send_h264(server: RtspServer) -> None:
    server.change_codec("h264")


def jump_ahead(server: RtspServer) -> None:
    server.shift(3600)


def jump_back(server: RtspServer) -> None:
    server.shift(0)


# Those that the connection does not survive: the stream says why it connects again.
BROKEN_CONNECTIONS = (
    Fault("cut", RtspServer.cut, nothing, "^retrying: "),
    Fault("stall", RtspServer.stall, RtspServer.resume, "^retrying: .* for "),
    Fault("hang", RtspServer.hang, RtspServer.go_on, "^retrying: .* for "),
    Fault("kill", RtspServer.kill, RtspServer.start_again, "^retrying: "),
    Fault("kill at length", RtspServer.kill, RtspServer.start_again, "^retrying: .*refused"),
    Fault("to jpeg", send_jpeg, nothing, "^retrying: "),
    Fault("to h264", send_h264, nothing, "^retrying: "),
)

# Those within a session.  The jumps follow each other: there has to be an hour to jump back over.
WITHIN_A_SESSION = (
    Fault("freeze", RtspServer.freeze, RtspServer.thaw, "^frozen: "),
    Fault("resize", grow, shrink, "^live: .* to 640x360", over="^live: .* to 320x240"),
    Fault("jump ahead", jump_ahead, nothing, "^live: .*jumped", over=""),
    Fault("jump back", jump_back, nothing, "^live: .*jumped", over=""),
    Fault("damage", RtspServer.corrupt, RtspServer.mend, "^live: .*in decoding", over=""),
)

FAULTS = BROKEN_CONNECTIONS + WITHIN_A_SESSION
