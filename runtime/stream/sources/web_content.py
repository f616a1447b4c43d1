"""Finding out what a web server sends in place of video."""

from __future__ import annotations

import http.client
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

_HEAD_BYTES = 512


def content_at(url: str, *, timeout_s: float) -> str:
    """Return in words what kind of text the server sends for `url`; "" where it is no text, or cannot be had."""
    opener, address = _opener(url)
    try:
        with opener.open(address, timeout=timeout_s) as response:
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


def _opener(url: str) -> tuple[urllib.request.OpenerDirector, str]:
    """Return what opens `url`, and the URL without its user info.

    As with FFmpeg, the credentials only go to a server that asks for them, and in the way that it asks for.
    """
    parts = urlsplit(url)
    info, _, host = parts.netloc.rpartition("@")
    address = urlunsplit(parts._replace(netloc=host))
    if not info:
        return urllib.request.build_opener(), address
    user, _, password = info.partition(":")
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, address, unquote(user), unquote(password))
    ways = (urllib.request.HTTPBasicAuthHandler(known), urllib.request.HTTPDigestAuthHandler(known))
    return urllib.request.build_opener(*ways), address
