"""Webhooks: each message as the JSON body of an HTTP POST.  The one place that needs aiohttp."""

from __future__ import annotations

import asyncio
import base64
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from pptsn.runtime.base.backoff import Backoff
from pptsn.runtime.base.errors import InputError, MissingDependencyError, install_command
from pptsn.runtime.base.options import number, option, whole
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import Address, MessageOptions, SinkKind, host_and_port, only_option
from pptsn.runtime.stream.sinks.text import json_text

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from aiohttp.abc import AbstractResolver

_INSTALL = install_command("webhook")
DEFAULT_TIMEOUT_S = 5.0
DEFAULT_TRIES = 5
_MAX_TIMEOUT_S = 300.0
_MAX_TRIES = 100
_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 8.0
# However long a server asks to be left alone.
_MAX_RETRY_AFTER_S = 60.0
# What is left, in all, for the messages that wait when the program ends.
_ENDING_S = 1.0
# How soon a shortened limit is noticed.
_SLICE_S = 0.1
# What may stand in the target of a request as it is; the rest is percent-encoded.
_TARGET_SAFE = "/%:@!$&'()*+,;=~-._?[]"


def _seconds(text: str) -> float:
    seconds = number(0, _MAX_TIMEOUT_S)(text)
    if seconds == 0:
        raise ValueError(text)
    return seconds


@dataclass(frozen=True)
class WebhookOptions(MessageOptions):
    """The options of a webhook."""

    only: frozenset[str] = only_option("events")
    timeout_s: float = option(
        f"Seconds for one attempt; {DEFAULT_TIMEOUT_S:g} if not given.",
        name="timeout",
        default=DEFAULT_TIMEOUT_S,
        parse=_seconds,
        expected=f"seconds, more than 0 and at most {_MAX_TIMEOUT_S:g}",
    )
    tries: int = option(
        f"Attempts a message; {DEFAULT_TRIES} if not given.",
        default=DEFAULT_TRIES,
        parse=whole(1, _MAX_TRIES),
    )


class WebhookSink(Sink):
    """Posts the `to_dict` of each message, with the `top` leading classes, to one address, one after the other.

    url: http or https, percent-encoded, without credentials.
    name: what reports call it.  It should hold neither the path nor the query: they often are the secret.
    headers: sent besides those of the content, such as Authorization.
    timeout_s: for one attempt, up to the answer's headers; only looking up the name has the system's own limits.
    tries: attempts a message.  A refused connection, a timeout, 429 and 5xx are tried again, after waits that
    double from half a second to eight, each shortened by chance, or as long as Retry-After asks, a minute at most.
    Any other answer that is not 2xx ends the message at once; redirects are not followed, so that no credentials
    travel.  A message that cannot be delivered raises InputError; the next one is tried all the same.

    Proxies that the environment names are not used.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        top: int,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tries: int = DEFAULT_TRIES,
    ) -> None:
        self.name = name
        self._url = url
        self._headers = {"Content-Type": "application/json", "User-Agent": "pptsn", **(headers or {})}
        self._top = top
        self._timeout_s = timeout_s
        self._tries = tries
        self._ending = threading.Event()
        self._end_s = math.inf

    def open(self) -> None:
        """Raise MissingDependencyError without aiohttp; a server that is away is no error."""
        try:
            import aiohttp  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                "output webhook", f"needs aiohttp ({error})", f"run: {_INSTALL}"
            ) from error

    def write(self, message: Message) -> None:
        """Post `message`, several times if need be; raises InputError where it was not delivered."""
        body = json_text(message.to_dict(top=self._top)).encode()
        backoff = Backoff(first_s=_FIRST_WAIT_S, cap_s=_MAX_WAIT_S)
        for attempt in range(1, self._tries + 1):
            try:
                return asyncio.run(self._attempt(body))
            except _AttemptError as failure:
                if failure.hopeless or attempt == self._tries or self._ending.is_set():
                    raise self._error(failure, attempt) from failure
                # Woken by the end of the program, it is tried once more, with what little time is left.
                self._ending.wait(failure.wait_s or backoff.next_s())

    def interrupt(self) -> None:
        """Leave a second for all that is still to be delivered; called from another thread when the end comes."""
        self._end_s = time.monotonic() + _ENDING_S
        self._ending.set()

    def close(self) -> None:
        """Do nothing: a connection lasts for one message."""

    async def _attempt(self, body: bytes) -> None:
        """Post `body` once, within the time; raises _AttemptError.

        The time is looked at again and again, as another thread may shorten it.
        """
        limit_s = time.monotonic() + self._timeout_s
        posting = asyncio.ensure_future(self._post(body))
        while (left_s := min(limit_s, self._end_s) - time.monotonic()) > 0:
            done, _ = await asyncio.wait({posting}, timeout=min(left_s, _SLICE_S))
            if done:
                return posting.result()
        posting.cancel()
        limit = "before the program ended" if self._ending.is_set() else f"within {self._timeout_s:g} s"
        raise _AttemptError(f"did not answer {limit}")

    async def _post(self, body: bytes) -> None:
        import aiohttp
        from yarl import URL

        connector = aiohttp.TCPConnector(
            force_close=True, resolver=cast("AbstractResolver", _Resolver()), ssl=ssl.create_default_context()
        )
        session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, timeout=aiohttp.ClientTimeout(total=None)
        )
        try:
            async with (
                session,
                session.post(URL(self._url, encoded=True), data=body, allow_redirects=False) as response,
            ):
                _judge(response)
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", error.certificate_error)
            raise _AttemptError(f"its certificate is not trusted ({reason})", hopeless=True) from error
        except aiohttp.ClientOSError as error:
            raise _AttemptError(f"cannot be reached ({_reason(error)})") from error
        except aiohttp.ServerDisconnectedError as error:
            raise _AttemptError("hung up without an answer") from error
        except aiohttp.ClientError as error:
            raise _AttemptError(f"does not answer in HTTP ({type(error).__name__})") from error

    def _error(self, failure: _AttemptError, attempts: int) -> InputError:
        tried = f" ({attempts} attempts)" if attempts > 1 else ""
        return InputError(self.name, f"{failure}{tried}", failure.remedy)


class _AttemptError(Exception):
    """Why an attempt failed.  hopeless: another would, too; wait_s: what to wait before it, 0 if nobody said."""

    def __init__(self, cause: str, *, remedy: str = "", hopeless: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(cause)
        self.remedy = remedy
        self.hopeless = hopeless
        self.wait_s = wait_s


def _judge(response: ClientResponse) -> None:
    """Raise _AttemptError where the answer says that the message was not taken."""
    status = response.status
    if status // 100 == 2:
        return
    cause = f"answered {status} {responses.get(status, '')}".rstrip()
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _AttemptError(cause, wait_s=_asked_wait_s(response.headers.get("Retry-After", "")))
    if status // 100 == 3:
        raise _AttemptError(cause, remedy="redirects are not followed; give the new address", hopeless=True)
    raise _AttemptError(cause, remedy="check the address and its credentials", hopeless=True)


def _asked_wait_s(retry_after: str) -> float:
    """Return the seconds that a header Retry-After asks for, a number or a date; 0 where it makes no sense."""
    try:
        wait_s = float(retry_after)
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
        except ValueError:
            return 0.0
        wait_s = (date.astimezone(timezone.utc) - datetime.now(timezone.utc)).total_seconds()
    return min(max(wait_s, 0.0), _MAX_RETRY_AFTER_S) if math.isfinite(wait_s) else 0.0


def _reason(error: OSError) -> str:
    """Return the system's words; asyncio's own name the address."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ssl.SSLError | socket.gaierror) or not cause.errno:
        return str(cause.strerror or cause)
    return os.strerror(cause.errno)


class _Resolver:
    """Looks names up in the thread that asks: threads of asyncio would hold up the program's end meanwhile."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[dict[str, Any]]:
        found = socket.getaddrinfo(host, port, socket.AddressFamily(family), socket.SOCK_STREAM)
        return [
            {"hostname": host, "host": address[0], "port": address[1], "family": kind, "proto": proto, "flags": 0}
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class WebhookKind(SinkKind[WebhookOptions]):
    """A webhook; user:password@ before the host become Basic authorization."""

    help = "a webhook: JSON by POST"
    schemes = ("http", "https")
    is_url = True
    options_after = "#"  # a webhook's query is its own
    options = WebhookOptions
    requirements = (Requirement("aiohttp", "streams to a webhook", _INSTALL),)

    def make(self, address: Address, options: WebhookOptions, *, top: int) -> WebhookSink:
        """Return a sink that posts to the address."""
        headers = {}
        if address.user is not None:
            credentials = f"{address.user}:{address.password or ''}"
            headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        target = quote(address.path or "/", safe=_TARGET_SAFE)
        if address.query:
            target += "?" + quote(address.query, safe=_TARGET_SAFE)
        return WebhookSink(
            f"{address.scheme}://{host_and_port(address.host, address.port)}{target}",
            name=address.name,
            top=top,
            headers=headers,
            timeout_s=options.timeout_s,
            tries=options.tries,
        )
