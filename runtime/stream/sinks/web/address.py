"""Where the web page listens."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from pptsn.runtime.base.errors import UsageError

DEFAULT_HOST = "127.0.0.1"
_FORM = re.compile(r"(?:(?P<host>\[[^\[\]]+\]|[^\s:/@\[\]]*):)?(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class HttpAddress:
    """A host, by name or number (IPv6 without brackets), and a TCP port; port 0 lets the system choose one.

    Raises UsageError for a port that does not exist.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError("--http", f"there is no port {self.port}", "give one from 1 to 65535")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address of the page; where all addresses are listened on, under this machine's name."""
        everywhere = self.host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
        return f"http://{HttpAddress(socket.gethostname(), self.port) if everywhere else self}/"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback_name(self.host)


def is_loopback_name(host: str) -> bool:
    """Return whether `host` means this machine, whatever a name server says: localhost, 127.0.0.0/8 or ::1."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def parse_http_address(text: str) -> HttpAddress:
    """Return the address that `text` means: HOST:PORT, [IPv6]:PORT, or :PORT or PORT, which are on the loopback.

    Raises UsageError for anything else.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            "--http",
            f"{text!r} is no address",
            "write HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080, or PORT alone",
        )
    host = (found["host"] or "").strip("[]") or DEFAULT_HOST
    return HttpAddress(host, int(found["port"]))
