"""Variables of the environment in addresses, `rtsp://user:${CAM1}@host/`.

They are filled in where an address is used; what is shown is the address as it was written.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.credentials.redaction import VARIABLE, secrets_in

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What stands before and after a variable in the user info of an URL.
_USER_INFO_BEFORE = re.compile(r"://[^/?#\s\"']*\Z")
_USER_INFO_AFTER = re.compile(r"[^/?#\s\"']*@")
# What stands between the parts of an address.
_PARTS_END = re.compile(r"[/?#@:&=]+")
# All values of this process, for reports of what nobody foresaw.
_all_values: set[str] = set()


@dataclass(frozen=True)
class Filled:
    """A text with the values of its variables.  secrets: what no report may hold of it."""

    text: str = field(repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


def filled(text: str) -> Filled:
    """Return `text`, an address, with each `${NAME}` replaced by that variable of the environment.

    Values are taken literally: in the user info of an URL, and after a ?, they are percent-encoded, so that any
    password can stand there; the `:` between a user and a password in one variable stays.  Elsewhere they may be
    several parts of an address.

    Raises UsageError, naming the variable, where one is not set or empty.
    """
    if "${" not in text:
        return Filled(text)
    values: set[str] = set()

    def value(variable: re.Match[str]) -> str:
        literal = _value_of(variable[1])
        before, after = text[: variable.start()], text[variable.end() :]
        is_user_info = _USER_INFO_BEFORE.search(before) and _USER_INFO_AFTER.match(after)
        encoded = quote(os.fsencode(literal), safe=":" if is_user_info else "")
        values.update((literal, encoded))
        if is_user_info or "?" in before:
            return encoded
        values.update(_PARTS_END.split(literal))
        return literal

    whole = VARIABLE.sub(value, text)
    secrets = secrets_in(whole, besides=values)
    _all_values.update(secrets)
    return Filled(whole, secrets)


def filled_secrets() -> frozenset[str]:
    """Return the secrets of all that this process has filled in."""
    return frozenset(_all_values)


def _value_of(name: str) -> str:
    thing = f"${{{name}}}"
    if not _NAME.fullmatch(name):
        raise UsageError(thing, "is no name of a variable", "expected letters, digits and _, as in ${CAM1}")
    literal = os.environ.get(name, "")
    if not literal:
        cause = "is empty" if name in os.environ else "is not set"
        raise UsageError(thing, f"this variable of the environment {cause}", f"export {name}=...")
    return literal
