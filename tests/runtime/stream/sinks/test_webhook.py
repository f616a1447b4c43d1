import json
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.stream.sinks import webhook as webhook_module
from pptsn.runtime.stream.sinks.registry import parse_destination
from pptsn.runtime.stream.sinks.webhook import _asked_wait_s
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.http_server import ScriptedServer
from tests.runtime.stream.sinks.samples import event, prediction
from tests.servers import free_port, self_signed_certificate
from tests.waiting import wait_until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits between attempts be short."""
    monkeypatch.setattr(webhook_module, "_FIRST_WAIT_S", 0.01)


def sink_for(server: ScriptedServer, options: str = "", *, path: str = "/hook?id=7", user: str = ""):
    return parse_destination(f"http://{user}127.0.0.1:{server.port}{path}#{options}", top=2)


def failure_of(action: Callable[[], None]) -> str:
    with pytest.raises(InputError) as caught:
        action()
    return str(caught.value)


def test_a_message_is_posted_as_json() -> None:
    with ScriptedServer("200") as server:
        sink_for(server, user="me:s3cr3t@").write(event())
    (request,) = server.requests
    assert request.line == "POST /hook?id=7 HTTP/1.1"
    assert json.loads(request.body) == event().to_dict()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "pptsn"
    assert request.headers["authorization"] == "Basic bWU6czNjcjN0"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("first", ["503", "500", "429", "hang up", "garbage"])
@pytest.mark.usefixtures("quick")
def test_what_may_pass_is_tried_again(first: str) -> None:
    with ScriptedServer(first, first, "204") as server:
        sink_for(server).write(event())
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("404", "answered 404 Not Found; check the address and its credentials"),
        ("401", "answered 401 Unauthorized; check"),
        ("307 Location: http://127.0.0.1:9/", "answered 307 Temporary Redirect; redirects are not followed"),
    ],
)
def test_what_will_not_pass_is_tried_once(status: str, message: str) -> None:
    with ScriptedServer(status) as server:
        assert message in failure_of(lambda: sink_for(server).write(event()))
    assert len(server.requests) == 1


@pytest.mark.usefixtures("quick")
def test_a_message_is_given_up_and_the_next_one_tried() -> None:
    with ScriptedServer("503", "503", "503", "200") as server:
        sink = sink_for(server, "tries=3")
        text = failure_of(lambda: sink.write(event()))
        assert text.endswith("answered 503 Service Unavailable (3 attempts)")
        sink.write(event())
    assert len(server.requests) == 4


def test_waits_grow_up_to_a_bound_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[list[float]] = []
    with ScriptedServer("503") as server:
        sink = sink_for(server, "tries=8")
        monkeypatch.setattr(sink.sink._ending, "wait", lambda wait_s: waits[-1].append(wait_s))
        for _ in range(2):  # it begins anew with each message
            waits.append([])
            assert "(8 attempts)" in failure_of(lambda: sink.write(event()))
    assert waits[0] != waits[1]
    for series in waits:
        assert all(nominal / 2 <= s <= nominal for nominal, s in zip((0.5, 1, 2, 4, 8, 8, 8), series, strict=True))


def test_a_server_that_asks_for_time_gets_it() -> None:
    with ScriptedServer("429 Retry-After: 1", "200") as server:
        sink_for(server).write(event())
    assert server.times_s[1] - server.times_s[0] >= 1.0


def test_what_a_server_may_ask_for_has_a_bound() -> None:
    in_20_s = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    assert 15 < _asked_wait_s(in_20_s) <= 20
    assert _asked_wait_s("7") == 7
    assert _asked_wait_s("86400") == 60
    assert [_asked_wait_s(text) for text in ("", "soon", "-5", "nan", "inf")] == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_an_attempt_has_a_limit_that_no_server_stretches(how: str) -> None:
    with ScriptedServer(how) as server:
        begin_s = time.monotonic()
        text = failure_of(lambda: sink_for(server, "timeout=0.4&tries=1").write(event()))
        assert 0.3 < time.monotonic() - begin_s < 3
    assert text.endswith("did not answer within 0.4 s")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("endless head", "does not answer in HTTP"),
        ("endless line", "does not answer in HTTP"),
        ("endless interim", "did not answer within 0.5 s"),
        ("endless error", "answered 404"),
        ("endless body", ""),
    ],
)
def test_an_answer_without_end_is_not_read_to_its_end(how: str, told: str) -> None:
    with ScriptedServer(how) as server:
        sink = sink_for(server, "timeout=0.5&tries=1")
        begin_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if told:
            assert told in failure_of(lambda: sink.write(event()))
        else:
            sink.write(event())
        assert time.monotonic() - begin_s < 5
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_an_address_where_nobody_listens_is_told(quick: None) -> None:
    port = free_port()
    text = failure_of(lambda: parse_destination(f"http://127.0.0.1:{port}/#tries=2", top=1).write(event()))
    assert text == f"http://127.0.0.1:{port}: cannot be reached (Connection refused) (2 attempts)"


def test_a_connection_that_is_never_taken_has_the_same_limit() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # fill the queue of connections, so that the next one gets no answer at all
            sock.setblocking(False)
            sock.connect_ex(address)
        begin_s = time.monotonic()
        sink = parse_destination(f"http://127.0.0.1:{address[1]}/#timeout=0.4&tries=1", top=1)
        assert failure_of(lambda: sink.write(event())).endswith("did not answer within 0.4 s")
        assert time.monotonic() - begin_s < 3
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize(
    "script",
    [
        ["hang"],
        ["429 Retry-After: 60"],
        pytest.param(["trickle"], marks=pytest.mark.slow),
        pytest.param(["503"], marks=pytest.mark.slow),
    ],
)
def test_the_end_does_not_wait_for_a_bad_server(script: list[str]) -> None:
    with ScriptedServer(*script) as server:
        worker = SinkWorker(sink_for(server), report=lambda _: None)
        worker.start()
        for _ in range(20):
            worker.put(event())
        wait_until(lambda: server.requests)
        begin_s = time.monotonic()
        assert worker.close(timeout_s=2)
        assert time.monotonic() - begin_s < 3
    health = worker.health()
    assert health.written == 0
    assert health.failed == 20


def test_what_waits_at_the_end_still_goes_to_a_good_server() -> None:
    with ScriptedServer("200") as server:
        worker = SinkWorker(sink_for(server), report=lambda _: None)
        worker.start()
        for i in range(10):
            worker.put(event())
            worker.put(prediction(i))
        assert worker.close(timeout_s=10)
    assert len(server.requests) == 10
    assert (worker.health().written, worker.health().failed) == (10, 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("trusted", [True, False])
def test_certificates_are_checked(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with ScriptedServer("200", tls=context) as server:
        sink = parse_destination(f"https://127.0.0.1:{server.port}/x", top=1)
        if trusted:
            sink.write(event())
            assert server.requests[0].line == "POST /x HTTP/1.1"
        else:
            assert "its certificate is not trusted (self-signed certificate)" in failure_of(
                lambda: sink.write(event())
            )
            assert server.requests == []


def test_a_handshake_that_never_comes_has_the_same_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = parse_destination(f"https://127.0.0.1:{silent.getsockname()[1]}/#timeout=0.4&tries=1", top=1)
        begin_s = time.monotonic()
        assert "did not answer within 0.4 s" in failure_of(lambda: sink.write(event()))
        assert time.monotonic() - begin_s < 3


def test_names_are_looked_up_and_each_of_their_addresses_tried() -> None:
    with ScriptedServer("200") as server:  # at 127.0.0.1 alone, while localhost may be ::1 as well
        parse_destination(f"http://localhost:{server.port}/", top=1).write(event())
    assert server.requests[0].headers["host"] == f"localhost:{server.port}"
    text = failure_of(lambda: parse_destination("http://nosuch.invalid/#tries=1", top=1).write(event()))
    assert text.startswith("http://nosuch.invalid: cannot be reached (")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer("200") as proxy, ScriptedServer("200") as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        sink_for(server).write(event())
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(
        MissingDependencyError, match=r"output webhook: needs aiohttp .*pip install 'pptsn\[webhook\]'"
    ):
        parse_destination("http://127.0.0.1/", top=1).open()
