"""Addresses of files on web servers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pptsn.runtime.base.errors import InputError, UsageError
from pptsn.runtime.base.files import printable
from pptsn.runtime.credentials.redaction import redacted
from pptsn.runtime.credentials.variables import filled
from pptsn.runtime.video.names import VIDEO_SUFFIXES

SCHEMES = ("http://", "https://")
# Files of these kinds are often endless: what a camera sends.
_ENDLESS_SUFFIXES = frozenset({".mjpeg", ".mjpg", ".ts"})
# What may stand in an address as it is.
_PLAIN = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True)
class WebFile:
    """A file of a web server.  Goes to other processes.

    url: with the credentials and the values of variables that it was given.
    display: what reports may show, as `str()` does: without credentials, variables by their names.
    """

    url: str = field(repr=False)
    display: str

    def __str__(self) -> str:
        return self.display


def is_web(text: str) -> bool:
    """Return whether `text` is an address of HTTP, and no file that is called so."""
    return text.lower().startswith(SCHEMES) and not os.path.lexists(text)


def web_file(text: str) -> WebFile:
    """Return the file at the address `text`; its query is the server's own.

    Variables of the environment in it are filled in, see `pptsn.runtime.credentials.variables`.
    Raises UsageError, without credentials, for one that is not set and for an address that makes no sense.
    """
    url = filled(text).text
    check_host(url)
    return WebFile(url, printable(redacted(text)))


def web_source(text: str) -> WebFile | InputError:
    """Return what `web_file` does, or why the address makes no sense."""
    try:
        return web_file(text)
    except UsageError as error:
        return InputError(error.thing, error.cause, error.remedy)


def names_a_video(url: str) -> bool:
    """Return whether `url` is that of a video file by its name: one that does not say so may have no end."""
    suffix = PurePosixPath(unquote(urlsplit(url).path)).suffix.lower()
    return suffix in VIDEO_SUFFIXES - _ENDLESS_SUFFIXES


def check_host(text: str) -> None:
    """Raise UsageError where there is no host, or a port that is none; without showing what may be a password."""
    scheme = text.partition("://")[0].lower()
    thing = f"{scheme}://..."
    if not text.isprintable() or " " in text:
        raise UsageError(thing, "holds a space or a control character", "write it as %XX")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        cause = "its port is no number from 0 to 65535, or its host is malformed"
        raise UsageError(thing, cause, "write / ? # @ and : of a password as %2F %3F %23 %40 and %3A") from None
    if not host:
        raise UsageError(thing, "names no host", f"expected {scheme}://HOST/PATH")


def parted(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return `url` in ASCII and without its user info, and the user and password in that, or None."""
    parts = urlsplit(url)
    info, _, host = parts.netloc.rpartition("@")
    if not host.isascii():
        host = host.encode("idna").decode()
    address = quote(urlunsplit(parts._replace(netloc=host)), safe=_PLAIN)
    user, _, password = info.partition(":")
    return address, (unquote(user), unquote(password)) if info else None
