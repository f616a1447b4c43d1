"""Who may connect, how many, and for how long without asking for anything."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import PptsnError
from pptsn.runtime.stream.sinks.web import gate
from pptsn.runtime.stream.sinks.web.gate import Gate
from pptsn.runtime.stream.sinks.web.guest import Guest, Limits, place_of
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.clients import Browser, ask
from tests.runtime.stream.sinks.web.crowd import HOST, OPENINGS, Crowd
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline
from tests.waiting import wait_until

FEW = Limits(most=24, most_at_one=16, asking_s=20.0, answer_s=20.0)
HASTY = Limits(most=24, most_at_one=16, asking_s=0.3, answer_s=0.6)
MANY_PLACES = tuple(f"127.0.1.{number}" for number in range(1, 40))


@pytest.fixture
def few(pipeline: FakePipeline, close_aside: Callable[[WebSink], None]) -> Iterator[WebSink]:
    """A page with room for few connections."""
    sink = WebSink("127.0.0.1", 0, view=pipeline, limits=FEW)
    sink.open()
    yield sink
    close_aside(sink)


@pytest.fixture
def hasty(pipeline: FakePipeline, close_aside: Callable[[WebSink], None]) -> Iterator[WebSink]:
    """A page that waits for nobody."""
    sink = WebSink("127.0.0.1", 0, view=pipeline, limits=HASTY)
    sink.open()
    yield sink
    close_aside(sink)


RECEIVED: set[object] = set()


@pytest.fixture(autouse=True)
def _noting_who_was_received(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the gate note the addresses of those whom it has let in or turned away."""
    receive = Gate._receive

    def noting(self: Gate, sock: socket.socket, place: str) -> None:
        address = sock.getpeername()
        receive(self, sock, place)
        RECEIVED.add(address)

    RECEIVED.clear()
    monkeypatch.setattr(Gate, "_receive", noting)


def connect(sink: WebSink, sent: bytes = b"", *, source: str = "127.0.0.1") -> socket.socket:
    """Return a connection over which `sent` was sent, and which the page has let in or turned away."""
    one = socket.create_connection(("127.0.0.1", sink.address.port), timeout=5, source_address=(source, 0))
    address = one.getsockname()
    one.sendall(sent)
    wait_until(lambda: address in RECEIVED)
    RECEIVED.discard(address)  # it may come to be another's
    return one


def is_open(one: socket.socket) -> bool:
    one.setblocking(False)
    with suppress(BlockingIOError):
        try:
            return bool(one.recv(1 << 16))
        except ConnectionResetError:
            return False
    return True


def read_until(one: socket.socket, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        part = one.recv(1 << 16)
        assert part, "it was hung up"
        read += part
    return read


@contextmanager
def descriptors(most: int) -> Iterator[None]:
    """Hold the limit of open files at `most`."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def highest_descriptor() -> int:
    return max(int(path.name) for path in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    ("kind", "sources"),
    [(kind, ("127.0.0.1",)) for kind in OPENINGS] + [("silent", MANY_PLACES), ("half a head", MANY_PLACES)],
)
def test_a_crowd_shuts_nobody_out(few: WebSink, kind: str, sources: tuple[str, ...]) -> None:
    with Crowd(few.address.port, 100, kind=kind, sources=sources) as crowd:
        wait_until(lambda: crowd.opened >= 100)
        assert [ask(few, "/healthz").status for _ in range(5)] == [200] * 5
    few.idle()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 24, 25, 60])
def test_a_crowd_of_any_size_shuts_nobody_out(few: WebSink, size: int) -> None:
    with Crowd(few.address.port, size) as crowd:
        wait_until(lambda: crowd.opened >= size)
        assert ask(few, "/healthz").status == 200


def test_at_one_place_the_oldest_that_has_asked_nothing_yields(few: WebSink) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(few)) for _ in range(FEW.most_at_one)]
        stack.enter_context(connect(few, source="127.0.0.2"))
        assert all(map(is_open, silent))
        stack.enter_context(connect(few))
        assert [is_open(one) for one in silent] == [False] + [True] * (len(silent) - 1)


def test_who_has_sent_something_of_which_the_loop_knows_nothing_yet_does_not_yield() -> None:
    served: list[str] = []

    async def yielding() -> list[bool]:
        gate = Gate(socket.socket(), lambda guest: served.append(guest.place) or asyncio.Protocol(), FEW)
        with ExitStack() as stack:
            pairs = [socket.socketpair() for _ in range(2)]
            guests = [
                Guest(stack.enter_context(ours), place, left=lambda _: None)
                for (ours, _), place in zip(pairs, "ab", strict=True)
            ]
            theirs = [stack.enter_context(their) for _, their in pairs]
            for ours, _ in pairs:
                ours.setblocking(False)
            theirs[0].sendall(b"G")
            assert gate._make_room(guests)
            await asyncio.sleep(0)
            return list(map(is_open, theirs))

    assert asyncio.run(yielding()) == [True, False]
    assert served == ["a"]


def test_in_all_the_most_crowded_place_yields(few: WebSink) -> None:
    with ExitStack() as stack:
        lonely = stack.enter_context(connect(few, source="127.0.0.3"))
        crowd = [stack.enter_context(connect(few, source="127.0.0.2")) for _ in range(FEW.most_at_one)]
        for _ in range(FEW.most - len(crowd) - 1):
            stack.enter_context(connect(few))
        assert all(map(is_open, [lonely, *crowd]))
        stack.enter_context(connect(few, source="127.0.0.4"))
        assert [is_open(one) for one in (lonely, *crowd)] == [True, False] + [True] * (len(crowd) - 1)


def test_who_is_answered_yields_to_nobody(few: WebSink, pipeline: FakePipeline) -> None:
    with Browser(few) as browser, Crowd(few.address.port, 60, sources=("127.0.0.1",)) as crowd:
        browser.next("health")
        wait_until(lambda: crowd.opened >= 300)
        few.write(pipeline.start_event("door", "yoga"))
        assert browser.next("event")["label"] == "yoga"


def test_where_all_are_answered_a_newcomer_is_turned_away_until_one_leaves(few: WebSink) -> None:
    with ExitStack() as stack:
        watching = [stack.enter_context(Browser(few)) for _ in range(FEW.most_at_one)]
        for browser in watching:
            browser.next("health")
        newcomer = stack.enter_context(connect(few))
        wait_until(lambda: not is_open(newcomer))
        watching[0].close()
        wait_until(lambda: is_open(stack.enter_context(connect(few))))
        assert ask(few, "/healthz").status == 200


@pytest.mark.parametrize("kind", OPENINGS)
def test_who_asks_nothing_is_hung_up_on(hasty: WebSink, kind: str) -> None:
    with connect(hasty, OPENINGS[kind]) as one:
        wait_until(lambda: not is_open(one), within_s=4)  # sooner than uvicorn would


@pytest.mark.parametrize("opening", [b"GET /healthz" + HOST, b"GET /healthz" + HOST + b"\r\nGET /healthz" + HOST])
def test_a_head_that_trickles_is_cut_off(hasty: WebSink, opening: bytes) -> None:
    def cut() -> bool:
        with suppress(OSError):
            one.send(b"X-a: b\r\n")
        return not is_open(one)

    with connect(hasty, opening) as one:
        wait_until(cut, within_s=4)


def test_who_asks_again_and_again_stays(hasty: WebSink) -> None:
    with connect(hasty) as one:
        for _ in range(6):
            one.settimeout(5)
            one.sendall(b"GET /healthz" + HOST + b"\r\n")
            assert b"200 OK" in read_until(one, b"}")
            time.sleep(HASTY.asking_s / 3)


def test_who_reads_an_answer_too_slowly_is_cut_off(hasty: WebSink, pipeline: FakePipeline) -> None:
    pipeline.show("door", bytes(4 << 20))
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", hasty.address.port))
        one.sendall(b"GET /api/streams/door/picture.jpg" + HOST + b"\r\n")
        one.settimeout(5)
        ended_s = time.monotonic() + 10
        read = 0
        with suppress(ConnectionResetError):
            while part := one.recv(2000):
                read += len(part)
                time.sleep(0.005)
                assert time.monotonic() < ended_s
        assert read < 4 << 20


def test_a_live_page_has_no_limit(hasty: WebSink) -> None:
    with Browser(hasty) as browser:
        until_s = time.monotonic() + 2 * HASTY.answer_s
        while time.monotonic() < until_s:
            assert browser.next("health")


def test_descriptors_stay_free_for_outputs(few: WebSink) -> None:
    most = highest_descriptor() + 40
    with ExitStack() as stack, descriptors(most):
        while stack.enter_context(open(os.devnull)).fileno() < most - most // 4 - 8:
            pass
        came: list[socket.socket] = []
        while all(map(is_open, came)) and len(came) < FEW.most_at_one:
            came.append(stack.enter_context(connect(few)))
        assert len(came) < FEW.most_at_one  # it was not for their number that one had to go
        with pytest.raises(PptsnError, match=r"turned away \(few descriptors are left\); raise the limit"):
            few.idle()
        for _ in range(most // 4 - len(came) - 1):
            stack.enter_context(open(os.devnull))
    assert ask(few, "/healthz").status == 200


def test_accepting_that_fails_is_told_once_a_look_and_goes_on(
    few: WebSink, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    attempts = []

    def exhausted(_: socket.socket) -> None:
        attempts.append(time.monotonic())
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "accept", exhausted)
        with socket.create_connection(("127.0.0.1", few.address.port)):
            wait_until(lambda: len(attempts) >= 2)
            patch.undo()
            wait_until(lambda: RECEIVED)
            with pytest.raises(PptsnError, match=r"^web page: .* turned away \(Too many open files\)"):
                few.idle()
            few.idle()
    assert attempts[1] - attempts[0] >= 0.9 * gate._RETRY_S
    assert ask(few, "/healthz").status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_a_place_is_an_address_or_a_network_of_ipv6(host: str, place: str) -> None:
    assert place_of(host) == place
