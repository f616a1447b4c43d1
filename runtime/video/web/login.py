"""How a server of the web asks for a user and a password, and how it is given them."""

from __future__ import annotations

import re
import urllib.request
import warnings
from collections.abc import Iterator
from email.message import Message
from typing import IO

_ASKS = "WWW-Authenticate"
_KNOWN = frozenset({"basic", "digest"})
# A way begins with its name, alone or before the first of its parameters, as `realm="x"`.
_WAY = re.compile(r"[^\s=,]+(?:\s+[^\s=]|$)")
# Python prints it for a realm without quotes, as many cameras have it, and takes it all the same.
_UNQUOTED = "Basic Auth Realm was unquoted"


def logins(known: urllib.request.HTTPPasswordMgr) -> tuple[urllib.request.BaseHandler, ...]:
    """Return what logs in, where a server asks for it, with what is `known`."""
    warnings.filterwarnings("ignore", _UNQUOTED, UserWarning)
    return _Basic(known), _Digest(known)


def is_unknown_login(headers: Message) -> bool:
    """Whether an answer asks for ways to log in of which none is known here, as `Negotiate`."""
    ways = {_name(way) for way in _ways(headers)}
    return bool(ways) and not ways & _KNOWN


class _Basic(urllib.request.HTTPBasicAuthHandler):
    """Passes over the other ways that a server offers, which urllib takes for errors."""

    def http_error_401(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message
    ) -> object | None:
        """Return the answer to a request with the password; None where the server does not offer this way."""
        offered = _offered("basic", headers)
        return super().http_error_401(req, fp, code, msg, offered) if offered else None  # type: ignore[arg-type]


class _Digest(urllib.request.HTTPDigestAuthHandler):
    """Passes over the other ways that a server offers, and challenges that make no sense."""

    def http_error_401(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message
    ) -> object | None:
        """Return the answer to a request with the password; None where the server does not offer this way."""
        offered = _offered("digest", headers)
        if not offered:
            return None
        try:
            return super().http_error_401(req, fp, code, msg, offered)  # type: ignore[arg-type]
        except (ValueError, LookupError):  # an algorithm that nobody knows, or no challenge
            return None
        finally:
            self.reset_retry_count()


def _offered(way: str, headers: Message) -> Message:
    """Return those challenges alone that offer `way`, a header each."""
    found = Message()
    for text in _ways(headers):
        if _name(text) == way:
            found[_ASKS] = text
    return found


def _name(way: str) -> str:
    return way.partition(" ")[0].lower()


def _ways(headers: Message) -> Iterator[str]:
    """Yield the ways that are asked for, each with its parameters: a header may hold several, after commas."""
    for header in headers.get_all(_ASKS, []):
        ways: list[str] = []
        for part in urllib.request.parse_http_list(header):
            if _WAY.match(part) or not ways:
                ways.append(part)
            else:
                ways[-1] += f", {part}"
        yield from ways
