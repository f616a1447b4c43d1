"""Finding out what a web server sends in place of video."""

from __future__ import annotations

import base64
import http.client
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

_HEAD_BYTES = 512


def content_at(url: str, *, timeout_s: float) -> str:
    """Return in words what kind of text the server sends for `url`; "" where it is no text, or cannot be had."""
    try:
        with urllib.request.urlopen(_request(url), timeout=timeout_s) as response:  # noqa: S310 - an http URL
            kind = response.headers.get_content_type()
            head = response.read(_HEAD_BYTES)
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    return _in_words(kind, head)


def _in_words(kind: str, head: bytes) -> str:
    start = head.lstrip()[:64].lower()
    if not head:
        return "nothing"
    if kind == "text/html" or start.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    if kind.endswith("json"):
        return "JSON"
    if kind.endswith("xml") or start.startswith(b"<?xml"):
        return "XML"
    return "text" if kind.startswith("text/") else ""


def _request(url: str) -> urllib.request.Request:
    """Return a request for `url` with the user info as a header, where FFmpeg puts it too."""
    parts = urlsplit(url)
    info, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310 - an http URL
    if info:
        token = base64.b64encode(unquote(info).encode()).decode("ascii")
        # Not handed on to another host that the server may point to.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request
