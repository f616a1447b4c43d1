"""One request to a web server, and its response: some bytes of a file.

The standard library makes it: it checks certificates, goes by `http_proxy`, `https_proxy` and `no_proxy`, follows
redirects, and gives a password to who asks for it alone.  FFmpeg's own client checks no certificate, has the
server send all that follows a place that is sought, and tells less of what went wrong.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from pptsn.runtime.base.errors import InputError, reason_of
from pptsn.runtime.base.pulse import READ_TIMEOUT_S
from pptsn.runtime.video.web.address import SCHEMES, WebFile, parted
from pptsn.runtime.video.web.login import is_unknown_login, logins
from pptsn.runtime.video.web.proxies import check_proxy, proxy_variable
from pptsn.runtime.video.web.served import Served
from pptsn.runtime.video.web.words import (
    CHECK_NETWORK,
    UNKNOWN_HOST,
    Words,
    of_connection,
    of_status,
    silent_for,
)

EMPTY: Words = ("is empty (0 bytes)", "look at it on the server")
_NOWHERE: Words = ("redirects in a circle, or to what is no address of HTTP", "check the URL")
DOWNLOAD = "download it first"
ENDED = "the server ended the connection"
# Numbers of bytes that some file may have: Python reads none of thousands of digits.
_COUNT = r"\d{1,20}"
_LENGTH = re.compile(_COUNT, re.ASCII)
_RANGE = re.compile(rf"bytes ({_COUNT})-({_COUNT})/({_COUNT}|\*)", re.ASCII)
_UNAUTHORIZED = 401
_EMPTY_RANGE = "bytes */0"
_NOT_SATISFIABLE = 416
# Multipart pictures one after the other: what a camera sends.
_ENDLESS_KIND = "multipart/x-mixed-replace"


class BrokenOffError(Exception):
    """The connection ended before its time, and what it was for may be asked for again; `str()` tells how."""


@dataclass(frozen=True)
class Response:
    """What a server sends for a file, or for a part of it.

    begin, end: from where to where in the file its bytes are; end: None where that is not known.
    total: bytes of the file, None where the server does not say.
    is_part: whether it is the part that was asked for, or its beginning.
    kind: its type, as `video/mp4`; "" for none.
    version: what tells one version of the file from another, as far as the server does.
    modified_s: when the file was changed last, in seconds since 1970; None where the server does not say.
    """

    begin: int
    end: int | None
    total: int | None
    is_part: bool
    kind: str
    version: str
    modified_s: int | None
    _body: http.client.HTTPResponse = field(repr=False)

    @property
    def is_endless(self) -> bool:
        """Whether it is what cameras send, by its type."""
        return self.kind == _ENDLESS_KIND

    @property
    def served(self) -> Served | None:
        """By what the file is known again; None where the server does not say all of it."""
        return None if not self.total or self.modified_s is None else Served(self.total, self.modified_s)

    def read(self, most: int) -> bytes:
        """Return the next bytes as soon as there are some; none at the end, be it early."""
        return self._body.read1(most)


class Server:
    """Where a web file lies.  Requests are made one at a time, each by a connection of its own."""

    def __init__(self, file: WebFile) -> None:
        self._file = file
        self._opener, self._address = opener(file.url, _Redirects(file))

    @contextmanager
    def request(self, begin: int, end: int | None) -> Iterator[Response]:
        """Ask for the bytes from `begin` to before `end`, None: for the whole file, and yield what comes.

        Raises InputError for what goes wrong, in the block as well, and BrokenOffError where the connection does.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if end is not None:
            headers["Range"] = f"bytes={begin}-{end - 1}"
        check_proxy(self._file, self._address)
        try:
            request = urllib.request.Request(self._address, headers=headers)  # noqa: S310 - see _Redirects
            response = self._opener.open(request, timeout=READ_TIMEOUT_S)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._failure(error) from None
        with response:
            self._address = response.url  # who was redirected asks there from now on
            try:
                yield self._understood(response, begin, end)
            except (OSError, http.client.HTTPException) as error:
                raise self._failure(error) from None

    def _understood(self, response: Any, begin: int, end: int | None) -> Response:
        headers: Message = response.headers
        if headers.get("Content-Encoding", "").lower() not in ("", "identity"):
            cause = "is sent in a coding that was not asked for"
            raise InputError(self._file, cause, "have the server send it as it is")
        length = headers.get("Content-Length", "")
        last = total = int(length) if _LENGTH.fullmatch(length) else None
        is_part = response.status == http.client.PARTIAL_CONTENT
        if is_part:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if end is None or found is None or int(found[1]) != begin or int(found[2]) >= end:
                raise InputError(self._file, "the server sends other bytes than were asked for", DOWNLOAD)
            if found[3] == "*":
                raise InputError(self._file, "the server sends a part, and not how large the file is", DOWNLOAD)
            last, total = int(found[2]) + 1, int(found[3])
        version = headers.get("ETag") or headers.get("Last-Modified") or ""
        kind = headers.get_content_type() if "Content-Type" in headers else ""
        modified_s = _seconds(headers.get("Last-Modified", ""))
        return Response(begin if is_part else 0, last, total, is_part, kind, version, modified_s, response)

    def _failure(self, error: Exception) -> Exception:
        """Return what is to be said of a request that failed, or of its response."""
        if isinstance(error, urllib.error.HTTPError):
            with error:
                return InputError(self._file, *self._of_status(error))
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        known = of_connection(cause) if isinstance(cause, Exception) else None
        if known is not None and not isinstance(cause, ConnectionRefusedError):
            return BrokenOffError(known[0])
        if isinstance(cause, http.client.IncompleteRead):
            return BrokenOffError(ENDED)
        what, remedy = known or _of_failure(cause)
        return InputError(self._file, what, f"{remedy}{_of_proxy(self._address)}")

    def _of_status(self, error: urllib.error.HTTPError) -> Words:
        if error.code == _NOT_SATISFIABLE and error.headers.get("Content-Range") == _EMPTY_RANGE:
            return EMPTY
        if error.code < 400:
            return _NOWHERE
        if error.code == _UNAUTHORIZED and is_unknown_login(error.headers):
            return "asks for a way to log in that is not known here (401)", DOWNLOAD
        return of_status(error.code, thing="file", address=self._file.url)


def _seconds(date: str) -> int | None:
    """Return a date as HTTP has it in seconds since 1970; None for anything else."""
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(date)
        return int(moment.timestamp()) if moment.tzinfo is not None else None
    return None


def _of_proxy(address: str) -> str:
    """Return what else is to be looked at where a proxy asks in our place; "" where none does."""
    name = proxy_variable(address)
    return f", and the proxy that {name} names" if name else ""


def _of_failure(error: object) -> Words:
    if isinstance(error, TimeoutError):
        return silent_for(READ_TIMEOUT_S), CHECK_NETWORK
    if isinstance(error, socket.gaierror):
        return UNKNOWN_HOST
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate cannot be trusted ({error.verify_message.lower()})",
            "name its authority's certificate in SSL_CERT_FILE, if you trust it",
        )
    if isinstance(error, ssl.SSLError):
        return "the server does not speak TLS as it should", "check the port, and whether it is http://"
    if isinstance(error, http.client.HTTPException | ValueError):
        return "gives no answer of HTTP", "check the port of the URL"
    reason = reason_of(error).lower() if isinstance(error, Exception) else str(error)
    return f"cannot be reached ({reason})", CHECK_NETWORK


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to any host, by HTTP alone, and never from TLS to none."""

    def __init__(self, file: WebFile) -> None:
        self._file = file

    def redirect_request(
        self,
        request: urllib.request.Request,
        response: IO[bytes],
        code: int,
        message: str,
        headers: Message,
        target: str,
    ) -> urllib.request.Request | None:
        """Return the request to the other address; raises InputError where that is not to be asked."""
        scheme = urlsplit(target).scheme.lower()
        if f"{scheme}://" not in SCHEMES:
            raise InputError(self._file, *_NOWHERE)
        if urlsplit(request.full_url).scheme == "https" and scheme != "https":
            cause = "redirects from https to http, where anybody could change it"
            raise InputError(self._file, cause, "give the other address, if you trust it")
        # What it may say of a user there, urllib would take for a part of the host.
        address, _ = parted(target)
        return super().redirect_request(request, response, code, message, headers, address)  # type: ignore[arg-type]


def opener(url: str, *handlers: urllib.request.BaseHandler) -> tuple[urllib.request.OpenerDirector, str]:
    """Return what opens `url`, and the URL without its user info.

    As with FFmpeg, the credentials only go to a server that asks for them, and in the way that it asks for; and
    to no other.
    """
    address, user = parted(url)
    if user is None:
        return urllib.request.build_opener(*handlers), address
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, urlunsplit(urlsplit(address)._replace(path="/", query="", fragment="")), *user)
    return urllib.request.build_opener(*logins(known), *handlers), address
