"""Taking credentials out of what reports may show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

MASK = "***"

# fmt: off
# What the last word of a secret's name is: `api_key`, `user-pw`, but not `key-int-max`.
_SECRET_WORDS = frozenset((
    "account", "auth", "authorization", "jwt", "key", "login", "pass", "pw", "session", "sid", "sig", "sign",
    "user", "username", "usr",
))
# What no other name holds, wherever it stands: `X-Amz-Security-Token`, `accessKeyId`.
_SECRET_PARTS = (
    "accesskey", "apikey", "authkey", "credential", "passphrase", "passwd", "password", "pwd", "secret",
    "sessionid", "signature", "token", "userid",
)
# fmt: on
_WORD = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]+")
# User info ends at the last @ before the path; quotes may be part of a password.
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
# Some cameras take `user=...` in the path of the URL, so a parameter may stand anywhere.  Where its name begins is
# stated lest each of the letters of a long word be tried for that.
_PARAMETER = re.compile(r"(?<![^?&;,#=/\s!\"'])([^?&;,#=/\s!\"']+)=")
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|[^&;#\s]*")
# A variable of the environment, as an address has it.
VARIABLE = re.compile(r"\$\{([^{}]*)\}")
# A secret shorter than this would blot out half of any message.
_SHORTEST_SECRET = 3


def redacted(text: str, *, secrets: Iterable[str] = ()) -> str:
    """Return `text`, which may hold URLs, without their user info and with the values of secret parameters masked.

    secrets: values that are masked wherever they stand, as `secrets_in` returns them.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _USER_INFO.sub("", text)
    shown, at = "", 0
    for value in _secret_values(text):
        shown += f"{text[at : value.start()]}{MASK}"
        at = value.end()
    return shown + text[at:]


def secrets_in(text: str, *, besides: Iterable[str] = ()) -> frozenset[str]:
    """Return the credentials in `text` on their own, as they stand and percent-decoded.

    besides: other secrets, which are taken as they stand; what is too short to be masked is left out of all.
    """
    found = [part for info in _USER_INFO.findall(text) for part in (info[:-1], *info[:-1].split(":", 1))]
    found += [value[0].strip("\"'") for value in _secret_values(text)]
    forms = [*besides, *(form for part in found for form in (part, unquote(part)))]
    return frozenset(form for form in forms if len(form) >= _SHORTEST_SECRET)


def without_logins(text: str, arguments: Iterable[str]) -> str:
    """Return `text` without the user info that addresses among `arguments` hold, whatever became of the addresses.

    A path of one has lost a slash, so that nothing tells it from that of a file.
    """
    for info in {info for argument in arguments for info in _USER_INFO.findall(argument) if ":" in info}:
        text = text.replace(info, "")
    return text


def holds_password(text: str) -> bool:
    """Whether a password or a key stands in `text`; a variable that stands for one, `${CAM1}`, is none."""
    plain = VARIABLE.sub("", text)
    given = [info[:-1].partition(":")[2] for info in _USER_INFO.findall(plain)]
    given += [value[0].strip("\"'") for value in _secret_values(plain)]
    return any(given)


def advice_on_passwords(arguments: Iterable[str]) -> str:
    """Return what to do about passwords in a program's arguments, which `ps` shows; "" where there are none."""
    count = sum(map(holds_password, arguments))
    if not count:
        return ""
    holders = "1 argument holds a password" if count == 1 else f"{count} arguments hold passwords"
    return f"{holders}, and `ps` shows it to all; write ${{NAME}} in its place, or give @FILE with mode 600"


def _secret_values(text: str) -> Iterator[re.Match[str]]:
    """Yield the values of secret parameters, whatever they stand in, as in `location=rtsp://host/?token=...`."""
    at = 0
    while name := _PARAMETER.search(text, at):
        at = name.end()
        if _is_secret(name[1]) and (value := _VALUE.match(text, at)):
            yield value
            at = value.end()


def _is_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(unquote(name))]
    joined = "".join(words)
    return bool(words) and (words[-1] in _SECRET_WORDS or any(part in joined for part in _SECRET_PARTS))
