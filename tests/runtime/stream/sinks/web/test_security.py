"""Who may come in."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.clients import EVERYWHERE, TOKEN, ask
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline

PATHS = ["/", "/static/app.js", "/api/streams", "/api/events", "/api/sinks", "/api/live", "/metrics", "/nowhere"]


@pytest.fixture(scope="module")
def sink() -> Iterator[WebSink]:
    with WebSink("127.0.0.1", 0, view=FakePipeline(["door"])) as sink:
        sink.open()
        yield sink


@pytest.fixture(scope="module")
def locked() -> Iterator[WebSink]:
    with WebSink("127.0.0.1", 0, view=FakePipeline(["door"]), token=TOKEN) as sink:
        sink.open()
        yield sink


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "camera-box.local"])
def test_a_public_address_without_a_token_is_refused(pipeline: FakePipeline, host: str) -> None:
    with pytest.raises(UsageError, match="other machines could reach it without a token; add --http-token"):
        WebSink(host, 8080, view=pipeline)


@pytest.mark.parametrize(
    ("token", "cause"),
    [
        ("", "is empty"),
        *((token, "begins or ends with a blank or a line's end") for token in (" ", "a\n", "a\r\n", "\ta", " aa")),
        *(
            (token, "has odd characters")
            for token in ("two words", "naïve", "a\r\nb", 'a"b', "a;b", "\udcff", "=")
        ),
        *(("a" * length, f"has {length} characters, of which") for length in (1025, 60_000, 10**6)),
    ],
)
def test_a_token_that_cannot_travel_is_refused_and_not_repeated(
    pipeline: FakePipeline, token: str, cause: str
) -> None:
    with pytest.raises(UsageError, match=cause) as refused:
        WebSink("127.0.0.1", 8080, view=pipeline, token=token)
    assert "PPTSN_HTTP_TOKEN" in refused.value.thing
    assert len(token) < 2 or token not in str(refused.value)


def test_the_longest_token_can_be_shown(pipeline: FakePipeline) -> None:
    with WebSink("127.0.0.1", 0, view=pipeline, token="a" * 1024) as sink:
        sink.open()
        assert ask(sink, "/?token=" + "a" * 1024).status == 303
        assert ask(sink, "/", Authorization="Bearer " + "a" * 1024).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_told_without_the_token(locked: WebSink, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"pptsn_{locked.address.port}={TOKEN}"},
        {"Cookie": f"pptsn_{locked.address.port}="},
    ):
        answer = ask(locked, path, **headers)
        assert answer.status == 401, headers
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert b"door" not in answer.body


@pytest.mark.parametrize("path", [path for path in PATHS if path not in ("/api/live", "/nowhere")])
def test_a_bearer_with_the_token_is_let_in(locked: WebSink, path: str) -> None:
    assert ask(locked, path, Authorization=f"Bearer {TOKEN}").status == 200


def test_health_is_told_to_everyone(locked: WebSink) -> None:
    assert ask(locked, "/healthz").status == 200


def test_a_browser_signs_in_once_and_the_token_leaves_the_address(locked: WebSink) -> None:
    signing_in = ask(locked, "/?token=s3cret-Token.~%2B/")
    assert signing_in.status == 303
    assert signing_in.headers["location"] == "/"
    cookie, *attributes = signing_in.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert TOKEN not in cookie
    assert ask(locked, "/", Cookie=f"other=1; {cookie}").status == 200
    assert ask(locked, "/api/streams", Cookie=cookie).status == 200
    assert ask(locked, "/api/streams", Cookie=cookie[:-1]).status == 401


def test_a_wrong_token_in_the_address_signs_nobody_in(locked: WebSink) -> None:
    for path in ("/?token=wrong", "/?token=", "/api/streams?token=" + TOKEN):
        answer = ask(locked, path)
        assert answer.status == 401
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.0.2.1", ""])
@pytest.mark.parametrize("path", ["/", "/api/streams", "/healthz"])
def test_a_loopback_page_answers_under_no_other_name(sink: WebSink, path: str, host: str) -> None:
    assert ask(sink, path, Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost:9000", "LOCALHOST", "127.0.0.1", "[::1]:8080"])
def test_a_loopback_page_answers_under_loopback_names(sink: WebSink, host: str) -> None:
    assert ask(sink, "/api/streams", Host=host).status == 200


def test_a_public_page_answers_under_any_name_but_asks_for_its_token(pipeline: FakePipeline) -> None:
    with WebSink(EVERYWHERE, 0, view=pipeline, token=TOKEN) as sink:
        sink.open()
        assert ask(sink, "/api/streams", Host="cameras.example").status == 401
        assert ask(sink, "/api/streams", Host="cameras.example", Authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/streams", "/metrics"])
def test_nothing_can_be_changed(sink: WebSink, path: str, method: str) -> None:
    answer = ask(sink, path, method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_pages_of_other_sites_are_refused_and_links_are_not(sink: WebSink) -> None:
    assert ask(sink, "/api/streams", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    assert ask(sink, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    assert ask(sink, "/api/streams", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/streams", "/healthz", "/metrics", "/nowhere"])
def test_every_answer_has_the_security_headers(sink: WebSink, path: str) -> None:
    for answer in (ask(sink, path), ask(sink, path, Host="evil.example"), ask(sink, path, method="POST")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/static/"]
)
def test_only_the_pages_own_files_are_served(sink: WebSink, path: str) -> None:
    assert ask(sink, path).status == 404


def test_nonsense_is_answered_and_the_server_goes_on(sink: WebSink) -> None:
    for nonsense in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"\r\n" * 50,
    ):
        with socket.create_connection(("127.0.0.1", sink.address.port), timeout=5) as client:
            client.sendall(nonsense)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    assert ask(sink, "/healthz").status == 200
    sink.idle()


def test_a_body_is_not_taken(sink: WebSink) -> None:
    assert ask(sink, "/healthz", Content_Length="5").status == 413
    assert ask(sink, "/healthz", Transfer_Encoding="chunked").status == 413
    assert ask(sink, "/healthz", Content_Length="0").status == 200
