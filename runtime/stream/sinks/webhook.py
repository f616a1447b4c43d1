"""Webhooks: each message as the JSON body of an HTTP POST."""

from __future__ import annotations

import http.client
import math
import random
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.http_post import Address, Answer, post
from pptsn.runtime.stream.sinks.lines import json_text

DEFAULT_TIMEOUT_S = 5.0
DEFAULT_TRIES = 5
_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 8.0
# However long a server asks to be left alone.
_MAX_RETRY_AFTER_S = 60.0
# What is left, in all, for the messages that wait when the program ends.
_ENDING_S = 1.0

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class WebhookSink(Sink):
    """Posts the `to_dict` of each message, with the `top` leading classes, to one address, one after the other.

    name: what reports call it.  It should hold neither the path nor the query: they often are the secret.
    headers: sent besides those of the content, such as Authorization.
    timeout_s: for one attempt, from looking up the name to the answer's headers.
    tries: attempts a message.  A refused connection, a timeout, 429 and 5xx are tried again, after waits that
    double from half a second to eight, with jitter, or as long as Retry-After asks, a minute at most.  Any other
    answer that is not 2xx ends the message at once; redirects are not followed, so that no credentials travel.
    A message that cannot be delivered raises InputError; the next one is tried all the same.

    Proxies that the environment names are not used.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str,
        top: int,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tries: int = DEFAULT_TRIES,
    ) -> None:
        self.name = name
        self._address = address
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": "pptsn",
            "Accept": "*/*",
            **(headers or {}),
        }
        self._top = top
        self._timeout_s = timeout_s
        self._tries = tries
        self._ending = threading.Event()
        self._end_s = math.inf

    def write(self, message: Message) -> None:
        """Post `message`, several times if need be; raises InputError where it was not delivered."""
        body = json_text(message, top=self._top).encode()
        for attempt in range(1, self._tries + 1):
            try:
                return self._deliver(body)
            except _AttemptError as failure:
                if failure.hopeless or attempt == self._tries or self._ending.is_set():
                    raise self._error(failure, attempt) from failure
                # Woken by the end of the program, it is tried once more, with what little time is left.
                self._ending.wait(failure.wait_s or _back_off_s(attempt))

    def interrupt(self) -> None:
        """Leave a second for all that is still to be delivered; called from another thread when the end comes."""
        self._end_s = time.monotonic() + _ENDING_S
        self._ending.set()

    def close(self) -> None:
        """Do nothing: a connection lasts for one message."""

    def _deliver(self, body: bytes) -> None:
        limit_s = time.monotonic() + self._timeout_s

        def time_left() -> float:
            return min(limit_s, self._end_s) - time.monotonic()

        try:
            answer = post(self._address, body, self._headers, time_left=time_left)
        except TimeoutError as error:
            limit = "before the program ended" if self._ending.is_set() else f"within {self._timeout_s:g} s"
            raise _AttemptError(f"did not answer {limit}") from error
        except ssl.SSLCertVerificationError as error:
            raise _AttemptError(
                f"its certificate is not trusted ({error.verify_message})", hopeless=True
            ) from error
        except OSError as error:
            raise _AttemptError(f"cannot be reached ({error.strerror or error})") from error
        except http.client.HTTPException as error:
            raise _AttemptError(f"does not answer in HTTP ({type(error).__name__})") from error
        _judge(answer)

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


def _judge(answer: Answer) -> None:
    """Raise _AttemptError where `answer` says that the message was not taken."""
    status = answer.status
    if status // 100 == 2:
        return
    cause = f"answered {status}{_phrase(status)}"
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        raise _AttemptError(cause, wait_s=_asked_wait_s(answer.retry_after))
    if status // 100 == 3:
        raise _AttemptError(cause, remedy="redirects are not followed; give the new address", hopeless=True)
    raise _AttemptError(cause, remedy="check the address and its credentials", hopeless=True)


def _phrase(status: int) -> str:
    name = http.client.responses.get(status)
    return f" {name}" if name else ""


def _back_off_s(attempt: int) -> float:
    """Return the wait after attempt number `attempt`, from 1; jitter keeps many senders from coming at once."""
    return float(min(_MAX_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25))


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
