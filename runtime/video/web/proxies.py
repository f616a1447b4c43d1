"""The proxy that the environment names for addresses of the web, as `http_proxy` does; it may hold a password."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

from pptsn.runtime.base.errors import InputError

_SCHEMES = ("http", "https")


def proxy_variable(url: str) -> str:
    """Return the name of the variable by which a proxy asks for `url`; "" where none does."""
    parts = urlsplit(url)
    if not urllib.request.getproxies().get(parts.scheme) or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return f"{parts.scheme}_proxy"


def check_proxy(thing: object, url: str) -> None:
    """Raise InputError, naming `thing`, where a proxy would be asked for `url` whose address makes no sense.

    What the address is, is not said: what is wrong with it may be a character of its password.
    """
    name = proxy_variable(url)
    if name and not _is_address(urllib.request.getproxies()[urlsplit(url).scheme]):
        raise InputError(thing, f"{name} names no proxy", f"expected {name}=http://HOST:PORT, or none")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        # A port that is none raises ValueError.
        known = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and text.isprintable() and " " not in text
