"""By what a web server's file is known again, once it was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Served:
    """What a server says of a file: its bytes, and when it was changed last, in seconds since 1970."""

    size_bytes: int
    modified_s: int
