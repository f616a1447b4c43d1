"""Who may ask the web page for something, and what a browser may do with the answer."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sinks.web.address import HttpAddress, is_loopback_name
from pptsn.runtime.stream.sinks.web.guesses import Guesses
from pptsn.runtime.stream.sinks.web.guest import Guest

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# Nothing but our own files, no inline script or style, no framing; another site's page may not embed our pictures.
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
# What monitoring may ask for without a token: it tells numbers, no names.
_OPEN_PATHS = frozenset({"/healthz"})
# The characters of a bearer token (RFC 6750), which are also safe in a cookie and in a URL's query.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_COOKIE_DAYS = 30
_OPTION = "--http-token (or PPTSN_HTTP_TOKEN)"
# Where other machines can guess: 16 characters of 68 are 97 bits, if they are drawn by lot.
_LEAST_TOKEN = 16
# A browser shows it in the first line of a request, for which the page takes 64 KiB with all that follows.
_MOST_TOKEN = 1024


@dataclass(frozen=True)
class Reply:
    """An answer that needs no application: a status, one line of text, and headers."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """An ASGI application around another: it admits who may come in, and adds the security headers to all answers.

    Admitted are GET and HEAD alone, without a body.  On a loopback address the Host header must be a loopback
    name, so that a page of another site cannot reach this one under its own name (DNS rebinding).  With a token
    all paths but /healthz need it: in an Authorization header, or in the cookie which /?token=... sets; who tries
    one after the other is slowed down, see `Guesses`.  See `check_access` for what goes together.

    A request's `scope["state"]["guest"]` is the connection that it came by.
    """

    def __init__(self, application: Application, *, address: HttpAddress, token: str | None) -> None:
        self._application = application
        self._address = address
        self._token = token
        self._guesses = Guesses()
        # Cookies know no ports: two pages of one host must not overwrite each other's.
        self._cookie_name = f"pptsn_{address.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        guarded = _adding_headers(send, static=scope["path"].startswith("/static/"))
        reply = await self._reply(scope, headers)
        if reply is None:
            await self._application(scope, receive, guarded)
        else:
            await _answer(guarded, reply, with_body=scope["method"] != "HEAD")

    async def _reply(self, scope: Scope, headers: Mapping[str, str]) -> Reply | None:
        """Return the answer that the application need not give; None where the request is admitted."""
        return (
            _check_method(scope)
            or _check_body(headers)
            or self._check_host(headers)
            or _check_site(headers)
            or await self._check_token(scope, headers)
        )

    def _check_host(self, headers: Mapping[str, str]) -> Reply | None:
        if not self._address.is_loopback or is_loopback_name(_without_port(headers.get("host", ""))):
            return None
        return Reply(421, f"This page answers under a name of this machine alone: open {self._address.url}")

    async def _check_token(self, scope: Scope, headers: Mapping[str, str]) -> Reply | None:
        if self._token is None or scope["path"] in _OPEN_PATHS:
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", []) if scope["path"] == "/" else []
        shown = {"token": asked[0]} if asked else self._shown(headers)
        refusal = await self._judge(scope["state"]["guest"], shown)
        return refusal or (self._sign_in() if asked else None)

    def _shown(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return what a request shows: a token, a cookie, both, or none."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else ""
        shown = {"token": token, "cookie": _cookies(headers).get(self._cookie_name, "")}
        return {kind: value for kind, value in shown.items() if value}

    async def _judge(self, guest: Guest, shown: Mapping[str, str]) -> Reply | None:
        guess = str(shown)
        if not shown or self._guesses.known_wrong(guest.place, guess):
            return _UNAUTHORIZED
        # Who has shown the right one before is not held up by who guesses beside him.
        if not guest.trusted and not await self._guesses.turn(guest.place):
            return _GUESSING
        token = self._token or ""
        right = {"token": token, "cookie": _cookie_value(token)}
        if any(_equal(value, right[kind]) for kind, value in shown.items()):
            guest.trusted = True
            return None
        self._guesses.add(guest.place, guess)
        return _UNAUTHORIZED

    def _sign_in(self) -> Reply:
        cookie = (
            f"{self._cookie_name}={_cookie_value(self._token or '')}; Path=/; Max-Age={_COOKIE_DAYS * 86400}; "
            "HttpOnly; SameSite=Strict"
        )
        return Reply(303, "Welcome.", {"location": "/", "set-cookie": cookie})


def check_access(address: HttpAddress, token: str | None) -> None:
    """Raise UsageError where `token` is none, or is missing or short though other machines can reach `address`."""
    if token is not None:
        _check_form(token)
    if token is None and not address.is_loopback:
        raise UsageError(
            f"--http {address}",
            "other machines could reach it without a token",
            "add --http-token TOKEN, or listen on 127.0.0.1",
        )
    if token is not None and len(token) < _LEAST_TOKEN and not address.is_loopback:
        raise UsageError(
            _OPTION,
            f"has {len(token)} characters; other machines could guess one of fewer than {_LEAST_TOKEN}",
            "let `openssl rand -hex 16` make one, or listen on 127.0.0.1",
        )


def _check_form(token: str) -> None:
    """Raise UsageError for what no request can show, never with the token itself."""
    if not token:
        raise UsageError(_OPTION, "is empty", "give letters, digits and any of -._~+/")
    if len(token) > _MOST_TOKEN:
        cause = f"has {len(token)} characters, of which a request can show {_MOST_TOKEN}"
        raise UsageError(_OPTION, cause, "let `openssl rand -hex 16` make one")
    if not _TOKEN.fullmatch(token):
        ends = token != token.strip()
        cause = "begins or ends with a blank or a line's end" if ends else "has odd characters"
        raise UsageError(_OPTION, cause, "give letters, digits and any of -._~+/, and = at its end")


_UNAUTHORIZED = Reply(
    401,
    "This page needs its token: open /?token=TOKEN, or send the header Authorization: Bearer TOKEN",
    {"www-authenticate": 'Bearer realm="pptsn"'},
)

_GUESSING = Reply(
    429, "Too many wrong tokens came from your address: try again in some seconds", {"retry-after": "5"}
)


def _check_method(scope: Scope) -> Reply | None:
    if scope["method"] in ("GET", "HEAD"):
        return None
    return Reply(405, "Nothing can be changed here: use GET", {"allow": "GET, HEAD"})


def _check_body(headers: Mapping[str, str]) -> Reply | None:
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return None
    return Reply(413, "Nothing is taken here: send no body")


def _check_site(headers: Mapping[str, str]) -> Reply | None:
    """Refuse what a page of another site asks for behind its reader's back; following a link is all right."""
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        return Reply(403, "Pages of other sites may not use this one")
    return None


def _equal(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing about how much of `given` is right."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _cookie_value(token: str) -> str:
    """Return what the cookie holds: it proves that its owner knew the token, and does not give it away."""
    return hmac.new(token.encode(), b"pptsn web page", "sha256").hexdigest()


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs}


def _without_port(host: str) -> str:
    """Return the host of a Host header: without the port, and without an IPv6 address's brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _adding_headers(send: Send, *, static: bool) -> Send:
    # Static files are asked for again by their ETag; everything else is about this moment alone.
    added = {**_HEADERS, "cache-control": "no-cache" if static else "no-store"}
    extra = [(name.encode(), value.encode()) for name, value in added.items()]

    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *extra]
        await send(message)

    return send_with_headers


async def _answer(send: Send, reply: Reply, *, with_body: bool) -> None:
    body = (reply.text + "\n").encode()
    # The connection ends here: what a refused request goes on to send is of no interest.
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        "connection": "close",
        **reply.headers,
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body if with_body else b""})
