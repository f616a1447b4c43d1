"""Addresses that are taken for names of files: without a scheme, or behind other text; they may hold passwords."""

from __future__ import annotations

import re

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.files import printable
from pptsn.runtime.credentials.redaction import redacted

# Of two slashes a path keeps one where it is joined to its folder; one letter is a drive of Windows.
# Where each begins is stated lest all letters of a long name be tried for that.
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]+):/+")
_USER = re.compile(r"(?:\A|/)[^/:@]+:")


def misplaced_address(name: str) -> InputError | None:
    """Return the error for `name`, of no file, without credentials where it may hold an address; else None."""
    scheme = _SCHEME.search(name)
    user = _USER.search(name)
    if scheme is None and (user is None or "@" not in name[user.end() :]):
        return None
    address = name[scheme.end() :] if scheme else name
    begin = f"...{scheme[1]}://" if scheme else "...@"
    remedy = "alone, without quotes or words before it" if scheme else "with its scheme, as rtsp://"
    shown = printable(redacted(address.rpartition("@")[2]))
    return InputError(f"{begin}{shown}", "there is no such file", f"check the path, or write an address {remedy}")
