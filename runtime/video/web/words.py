"""What a server's refusal means to a user, in words; for files that are read here, and for streams.

Messages of libraries may hold the address with its password, so only the kind of a refusal is looked at.
"""

from __future__ import annotations

from typing import TypeAlias

# The cause and the remedy of an error.
Words: TypeAlias = "tuple[str, str]"

CHECK_NETWORK = "check the host, its port and the network"
CHECK_PATH = "check the path of the URL"
UNKNOWN_HOST: Words = ("there is no host of that name", "check the URL and the name server")
_LOG = "look at the server's own log"
_CONNECTION: tuple[tuple[type[Exception], Words], ...] = (
    (ConnectionRefusedError, ("connection refused", "check the port and that the server runs")),
    (ConnectionResetError, ("the connection was reset", _LOG)),
    (ConnectionAbortedError, ("the connection was aborted", _LOG)),
    (BrokenPipeError, ("the connection was closed", _LOG)),
)


def of_connection(error: Exception) -> Words | None:
    """Return what a connection's failure means; None for any other error."""
    return next((words for kind, words in _CONNECTION if isinstance(error, kind)), None)


def of_status(code: int | str, *, thing: str, address: str) -> Words:
    """Return what a status of HTTP means, 400 and above; "4xx" and "5xx" where no more is known.

    thing: what was asked for, as `stream`.  address: of which is looked at whether it holds a user's name.
    """
    if code == 401:
        return _unauthorized(address)
    known: dict[int | str, Words] = {
        400: ("the server does not understand the request (400)", "check the URL"),
        403: ("the server forbids it (403)", "check what this user may see"),
        404: (f"the server has no such {thing} (404)", CHECK_PATH),
    }
    failed = str(code).startswith("5")
    other = (f"the server failed ({code})", _LOG) if failed else _refused(code)
    return known.get(code, other)


def _refused(code: int | str) -> Words:
    return f"the server refuses the request ({code})", "check the URL"


def _unauthorized(address: str) -> Words:
    scheme, _, rest = address.partition("://")
    if "@" in rest.partition("/")[0]:
        return "wrong user name or password (401)", "check them"
    return "asks for a user name and password (401)", f"write {scheme}://USER:PASSWORD@HOST/..."


def silent_for(seconds: float) -> str:
    """Return what is said of what sent nothing for so long."""
    return f"sent nothing for {seconds:g} s"


def kind_of_text(content_type: str, head: bytes) -> str:
    """Return in words what kind of text begins with `head`; "" where it is none, as far as that tells."""
    start = head.lstrip()[:64].lower()
    if not head:
        return "nothing"
    if content_type == "text/html" or start.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    if content_type.endswith("json"):
        return "JSON"
    if content_type.endswith("xml") or start.startswith(b"<?xml"):
        return "XML"
    return "text" if content_type.startswith("text/") else ""


def no_video(kind: str) -> Words:
    """Return what is said of a server that sends that kind of text."""
    return f"sends {kind}, expected video", CHECK_PATH
