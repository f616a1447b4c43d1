"""Fetching one file by HTTP, however often the connection is cut.

What has arrived stays in a file `.part`, beside what tells that the server still has the same file (its ETag, or
when it was changed), so that the next try, or the next run, asks for the rest alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from pptsn.runtime.base import __version__
from pptsn.runtime.base.backoff import Backoff
from pptsn.runtime.base.errors import InputError, UsageError, reason_of
from pptsn.runtime.base.files import read_small, write_text
from pptsn.runtime.base.progress import Steps, print_note
from pptsn.runtime.video.web.proxies import check_proxy, proxy_variable
from pptsn.training.downloads.catalogue import check_address, shown
from pptsn.training.downloads.patience import Pace, PatientHttp, PatientHttps

_BLOCK_BYTES = 1 << 18
_MB = 1_000_000
# Numbers that fit 64 bits: Python reads none of thousands of digits.
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", re.ASCII)
_MOST_RECORD_BYTES = 1 << 20
# Answers that may be others a little later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# Answers that say what to do about them.
_REMEDIES = {
    401: "fetch it with a program that can log in",
    403: "check that the address is still right",
    404: "check the address",
    410: "check the address",
}


@dataclass(frozen=True)
class Limits:
    """timeout_s: how long a server may say nothing, or hardly anything.

    tries: failures in a row that brought nothing new.  most_bytes: of a file.
    first_wait_s, longest_wait_s: between two tries, growing.
    """

    timeout_s: float = 30.0
    tries: int = 8
    most_bytes: int = 4_000_000_000
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0


@dataclass(frozen=True)
class _Origin:
    """What a part belongs to.  validator: what is the same as long as the file is; "" where nothing tells.

    address: the SHA-256 of the address, which itself may hold a signature.
    total: its bytes; None where the server does not say.
    """

    address: str
    validator: str
    total: int | None


class _CutError(Exception):
    """A try that failed, after which another may do better.  hopeless: it would not, as nobody was reached."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.hopeless = reason, hopeless


def download(
    url: str, part: Path, *, progress: Steps | None = None, limits: Limits | None = None, is_proven: bool = False
) -> None:
    """Fetch the file at `url` into `part`, going on where an earlier try of the same file ended.

    progress: told the bytes that are there, and those in all.
    is_proven: its content will be compared with a checksum; otherwise a server that does not say how long the file
        is is refused, as a cut could not be told from the end.
    Raises InputError, in one line, where it cannot be had; what has arrived by then stays, for the next run.
    """
    _Transfer(url, part, progress, limits or Limits(), is_proven).run()


def forget(part: Path) -> None:
    """Remove `part` and what is known of it."""
    part.unlink(missing_ok=True)
    _record_of(part).unlink(missing_ok=True)


class _Transfer:
    def __init__(self, url: str, part: Path, progress: Steps | None, limits: Limits, is_proven: bool) -> None:
        self._url, self._part, self._limits, self._is_proven = url, part, limits, is_proven
        self._progress = progress
        self._origin = _read_origin(part, url)
        self._have = part.stat().st_size if self._origin is not None and part.exists() else 0
        self._furthest = self._have
        self._is_reached = False

    def run(self) -> None:
        waits = Backoff(first_s=self._limits.first_wait_s, cap_s=self._limits.longest_wait_s)
        failures = 0
        while not self._is_whole():
            before = self._furthest
            try:
                self._attempt()
                return
            except _CutError as cut:
                if self._furthest > before:
                    failures = 0
                    waits.reset()
                failures += 1
                if failures >= self._limits.tries or (cut.hopeless and not self._is_reached):
                    raise self._given_up(cut, failures) from cut
                if self._origin is not None and not self._origin.validator:
                    self._drop()  # nothing would tell whether the rest is of the same file
                print_note(f"{shown(self._url)}: {cut.reason}; going on at {self._have / _MB:.1f} MB")
            time.sleep(waits.next_s())

    def _is_whole(self) -> bool:
        return self._origin is not None and self._origin.total is not None and self._have == self._origin.total

    def _given_up(self, cut: _CutError, failures: int) -> InputError:
        if cut.hopeless and not self._is_reached:
            places = ("the network", "the address", proxy_variable(self._url))
            return InputError(shown(self._url), cut.reason, f"check {' and '.join(filter(None, places))}")
        there = f"{self._have / _MB:.1f} MB are there"
        remedy = "run it again to go on from there" if self._have else "try again later"
        return InputError(shown(self._url), f"{cut.reason}, {failures} times in a row; {there}", remedy)

    def _attempt(self) -> None:
        """Ask for what is missing, and take it; raises _CutError where the end was not reached."""
        with self._answer() as response:
            self._is_reached = True
            self._check(response)
            if response.status != 206:
                self._begin_anew(response)
            else:
                self._check_range(response)
            self._check_room()
            self._take(response)
        if self._origin and self._origin.total is not None and self._have < self._origin.total:
            raise _CutError("the connection was cut")

    @contextmanager
    def _answer(self) -> Iterator[HTTPResponse]:
        """Yield the server's answer to a request for what is missing."""
        check_proxy(shown(self._url), self._url)
        headers = {"User-Agent": f"pptsn/{__version__}", "Accept-Encoding": "identity"}
        if self._have and self._origin is not None and self._origin.validator:
            headers |= {"Range": f"bytes={self._have}-", "If-Range": self._origin.validator}
        try:
            response = _opener().open(Request(self._url, headers=headers), timeout=self._limits.timeout_s)  # noqa: S310
        except HTTPError as error:
            with closing(error):
                raise self._refusal(error) from error
        except URLError as error:
            raise self._unreached(error.reason) from error
        except (OSError, HTTPException) as error:
            raise self._unreached(error) from error
        except ValueError as error:  # of the address that it leads to, which may hold credentials
            raise InputError(shown(self._url), "leads to no address of the web", "check the address") from error
        with response:
            yield cast(HTTPResponse, response)

    def _refusal(self, error: HTTPError) -> Exception:
        said = f"{error.code} {error.reason}".strip()
        if error.code == 416:  # the file has become shorter
            self._drop()
            return _CutError("the file has changed")
        if 300 <= error.code < 400:
            return InputError(shown(self._url), "the server leads to no file on the web", "check the address")
        if error.code in _PASSING:
            self._is_reached = True
            return _CutError(f"the server answers {said}")
        remedy = _REMEDIES.get(error.code, "check the address")
        return InputError(shown(self._url), f"the server answers {said}", remedy)

    def _unreached(self, reason: object) -> Exception:
        if isinstance(reason, ssl.SSLCertVerificationError):
            cause = f"its certificate is not trusted ({reason.verify_message})"
            return InputError(shown(self._url), cause, "check the address, the clock and the network")
        hopeless = not isinstance(reason, ConnectionResetError | BrokenPipeError | HTTPException)
        said = reason_of(reason) if isinstance(reason, Exception) else str(reason)
        return _CutError(f"cannot be reached ({said})", hopeless=hopeless)

    def _check(self, response: HTTPResponse) -> None:
        kind = response.headers.get_content_type()
        if kind == "text/html" and "Content-Type" in response.headers:
            raise InputError(shown(self._url), "is a web page, no file of weights", "check the address")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise InputError(shown(self._url), "comes compressed by the server", "fetch it with another program")

    def _begin_anew(self, response: HTTPResponse) -> None:
        total = response.length
        if total == 0:
            raise InputError(shown(self._url), "the server sends an empty file", "check the address")
        if total is None and not self._is_proven:
            cause = "the server does not say how long it is, so that a cut could not be told"
            raise InputError(shown(self._url), cause, "give its checksum with --sha256")
        if total is not None and total > self._limits.most_bytes:
            cause = (
                f"has {total / _MB:.0f} MB, more than the {self._limits.most_bytes / _MB:.0f} MB that weights may"
            )
            raise InputError(shown(self._url), cause, "check the address")
        if self._have:
            print_note(f"{shown(self._url)}: the server sends it from the beginning")
        self._drop()
        self._origin = _Origin(_digest_of(self._url), _validator(response.headers), total)
        write_text(_record_of(self._part), json.dumps(asdict(self._origin)))

    def _check_range(self, response: HTTPResponse) -> None:
        """Raise _CutError, to begin anew, where this is not the rest that was asked for."""
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        origin = self._origin
        if origin is None:
            raise _CutError("the server sends a part of it, though all was asked for")
        is_rest = found is not None and int(found[1]) == self._have and int(found[2]) == origin.total
        if not is_rest or _validator(response.headers) not in ("", origin.validator):
            self._drop()
            raise _CutError("the file has changed")

    def _check_room(self) -> None:
        total = self._origin.total if self._origin else None
        free = shutil.disk_usage(self._part.parent).free
        if total is not None and total - self._have > free:
            cause = f"{(total - self._have) / _MB:.1f} MB are to come, {free / _MB:.1f} MB are free"
            raise InputError(self._part.parent, cause, "make room")

    def _take(self, response: HTTPResponse) -> None:
        pace = Pace(self._limits.timeout_s)
        try:
            with open(self._part, "ab") as stream:
                for block in self._blocks(response):
                    stream.write(block)
                    self._count(len(block))
                    if complaint := pace.complaint(len(block)):
                        remedy = "check the network; run it again to go on from there"
                        raise InputError(shown(self._url), complaint, remedy)
        except OSError as error:
            cause = f"cannot be written ({reason_of(error)})"
            raise InputError(self._part, cause, "make room, then run it again: it goes on from there") from error
        finally:
            self._have = self._part.stat().st_size if self._part.exists() else 0

    def _blocks(self, response: HTTPResponse) -> Iterator[bytes]:
        """Yield what comes; raises _CutError where no more does before the end."""
        while True:
            try:
                block = response.read1(_BLOCK_BYTES)
            except (OSError, HTTPException) as error:
                raise _CutError(f"the connection was cut ({reason_of(error)})") from error
            if not block:
                return
            yield block

    def _count(self, received: int) -> None:
        self._have += received
        self._furthest = max(self._furthest, self._have)
        if self._have > self._limits.most_bytes:
            self._drop()
            cause = f"sends more than the {self._limits.most_bytes / _MB:.0f} MB that weights may have"
            raise InputError(shown(self._url), cause, "check the address")
        if self._progress is not None:
            self._progress(self._have, self._origin.total or 0 if self._origin else 0)

    def _drop(self) -> None:
        forget(self._part)
        self._have, self._origin = 0, None


class _Redirects(HTTPRedirectHandler):
    """Follows what leads to another http(s) address, and from https to https alone."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        fp.close()  # or all that comes with the redirection would be read, however much it is
        try:
            check_address(newurl)
        except UsageError as error:
            raise InputError(shown(req.full_url), f"leads elsewhere: {error}") from error
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise InputError(shown(req.full_url), f"leads to {shown(newurl)}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    """Return what opens http(s) addresses, and, unlike urllib's own, nothing else."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        PatientHttp(),
        PatientHttps(),
        HTTPDefaultErrorHandler(),
        _Redirects(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _validator(headers: Message) -> str:
    """Return what tells that a file is the same, byte for byte: its ETag, unless weak, or when it was changed."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _record_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_origin(part: Path, url: str) -> _Origin | None:
    """Return what `part` belongs to; None where it is not of `url`, or nothing tells."""
    try:
        origin = _Origin(**json.loads(read_small(_record_of(part), _MOST_RECORD_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    is_record = isinstance(origin.validator, str) and isinstance(origin.total, int | None)
    is_of_url = origin.address == _digest_of(url)
    return origin if is_record and is_of_url and origin.validator else None


def _digest_of(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
