from __future__ import annotations

import socket

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sinks.web.address import HttpAddress, is_loopback_name, parse_http_address
from tests.runtime.stream.sinks.web.clients import EVERYWHERE


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        (":8080", "127.0.0.1", 8080),
        ("8080", "127.0.0.1", 8080),
        ("[::1]:8080", "::1", 8080),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("192.0.2.1:0", "192.0.2.1", 0),
        (" camera-box.local:65535 ", "camera-box.local", 65535),
    ],
)
def test_addresses_are_understood(text: str, host: str, port: int) -> None:
    assert parse_http_address(text) == HttpAddress(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "::1:8080",
        "[::1]",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "99999",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--http: .*; (write HOST:PORT|give one from)") as refused:
        parse_http_address(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8080", "127.0.0.1:8080/", "user@127.0.0.1:8080", "a b:80", "[a[b]:80", "127.0.0.1:\u0661"],
)
def test_anything_around_an_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no address; write HOST:PORT"):
        parse_http_address(text)


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("127.0.0.1:8080", "[::1]:8080", "example.org:1"):
        assert str(parse_http_address(text)) == text
    assert HttpAddress("::1", 80).url == "http://[::1]:80/"


def test_a_page_on_all_addresses_is_named_after_the_machine() -> None:
    assert HttpAddress(EVERYWHERE, 80).url == f"http://{socket.gethostname()}:80/"


def test_loopback_names_are_told_from_others() -> None:
    for name in ("localhost", "LOCALHOST", "localhost.", "cam.localhost", "127.0.0.1", "127.9.8.7", "::1"):
        assert is_loopback_name(name), name
    for name in (
        "",
        EVERYWHERE,
        "::",
        "10.0.0.1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "1",
        "evil",
    ):
        assert not is_loopback_name(name), name
