"""Programs of other projects that tests run as servers."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

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
    """Return a port of 127.0.0.1 on which nobody listens, below those that outgoing connections are given.

    The tests connect again and again to a server that is down.  Among the ports of outgoing connections, one of
    these would now and then be given the very port that it asks for, and connect to itself.
    """
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port := random.randrange(15000, 30000)))
            except OSError:
                continue
            return port


def self_signed_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the paths of a new certificate for 127.0.0.1, which signs itself, and of its key."""
    openssl = require_program("openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key
