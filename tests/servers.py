"""Programs of other projects that tests run as servers."""

from __future__ import annotations

import os
import shutil
import socket

import pytest

# Where Debian keeps programs that are for administrators, which are not on everybody's PATH.
_MORE_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"


def require_program(name: str) -> str:
    """Return the path of the program called `name`.

    Without it the test skips, except under REQUIRE_SERVERS=1, which CI sets: there it fails.
    """
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_MORE_FOLDERS}")
    if path is None:
        message = f"{name} is not installed"
        if os.environ.get("REQUIRE_SERVERS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    """Return a TCP port of the loopback address that nothing uses at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
