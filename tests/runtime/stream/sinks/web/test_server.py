"""Opening, live events, browsers that do not read, and closing."""

from __future__ import annotations

import errno
import gc
import socket
import sys
import threading
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import MissingDependencyError, PptsnError
from pptsn.runtime.stream.sinks.web.hub import BROWSERS
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.clients import TOKEN, Browser, ask
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline
from tests.waiting import SOON_S, wait_until

SCORES = (0.5, 0.2, 0.1, 0.08, 0.06, 0.04, 0.02)


def browsers(sink: WebSink) -> int:
    return int(float(metric(sink, "pptsn_web_browsers")))


def metric(sink: WebSink, name: str) -> str:
    lines = ask(sink, "/metrics").body.decode().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(f"{name} "))


def test_a_browser_hears_health_predictions_events_notices_and_pictures(
    sink: WebSink, pipeline: FakePipeline
) -> None:
    pipeline.show("hall/1", b"jpeg", size=(640, 360))
    with Browser(sink) as browser:
        events = browser.events()
        assert next(events)[0] == "health"
        assert next(events) == ("picture", {"stream": "hall/1", "number": 0, "width": 640, "height": 360})
        for message in (
            pipeline.predict("door", SCORES),
            pipeline.start_event("door", "squat"),
            pipeline.enter("door", "failed", "no route to host"),
        ):
            sink.write(message)
        heard = {}
        while not {"prediction", "event", "notice"} <= set(heard):
            name, data = next(events)
            heard[name] = data
        assert [entry["label"] for entry in heard["prediction"]["top"]] == list(pipeline.labels[:3])
        assert heard["event"]["phase"] == "started"
        assert heard["notice"]["detail"] == "no route to host"
        pipeline.show("hall/1", b"next", size=(640, 360))
        assert next(data for name, data in events if name == "picture")["number"] == 1
        health = next(data for name, data in events if name == "health")
        assert health["streams"][0]["state"] == "failed"
        assert health["sinks"][0]["name"] == "web page"


def test_the_answer_is_a_stream_of_events(sink: WebSink) -> None:
    with Browser(sink) as browser:
        lines = browser.lines()
        head = []
        while line := next(lines):
            head.append(line)
        assert head[0] == "HTTP/1.1 200 OK"
        assert "content-type: text/event-stream; charset=utf-8" in head
        assert "cache-control: no-store" in head
        assert any(line.startswith("retry: ") for line in (next(lines) for _ in range(3)))


def test_silence_is_broken_by_heartbeats(
    sink: WebSink, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptsn.runtime.stream.sinks.web.hub.HEALTH_S", 60.0)
    monkeypatch.setattr("pptsn.runtime.stream.sinks.web.hub.HEARTBEAT_S", 0.3)
    with Browser(sink) as browser:
        assert any(line.startswith(":") for line in browser.lines())


def test_one_browser_too_many_is_turned_away_until_another_leaves(sink: WebSink) -> None:
    with ExitStack() as stack:
        watching = [stack.enter_context(Browser(sink)) for _ in range(BROWSERS)]
        wait_until(lambda: browsers(sink) == BROWSERS)
        answer = ask(sink, "/api/live")
        assert answer.status == 503
        assert "retry-after" in answer.headers
        watching[0].close()
        wait_until(lambda: browsers(sink) == BROWSERS - 1)
        with Browser(sink) as browser:
            assert browser.next("health")


@pytest.mark.slow
def test_a_browser_that_never_reads_costs_bounded_memory_and_holds_nobody(
    sink: WebSink, pipeline: FakePipeline
) -> None:
    def write(messages: int) -> float:
        slowest_s = 0.0
        for number in range(messages):
            start_event = number % 3 == 0
            message = pipeline.start_event("door", "yoga") if start_event else pipeline.predict("door", SCORES)
            pipeline.change("door", active=())
            start_s = time.monotonic()
            sink.write(message)
            slowest_s = max(slowest_s, time.monotonic() - start_s)
        return slowest_s

    with Browser(sink, receive_buffer_bytes=1024):
        wait_until(lambda: browsers(sink) == 1)
        # Fill what the system holds for the connection, until nothing more goes out.
        for _ in range(10):
            write(500)
            time.sleep(0.15)
        tracemalloc.start()
        try:
            write(100)
            before = tracemalloc.get_traced_memory()[0]
            slowest_s = write(10_000)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert slowest_s < SOON_S
        assert grown < 1_000_000
        assert float(metric(sink, "pptsn_web_updates_dropped_total")) > 9_000
        # Others are served meanwhile, and told of what they miss themselves.
        with Browser(sink) as other:
            assert other.next("health")


def test_a_browser_that_does_not_read_is_disconnected(pipeline: FakePipeline) -> None:
    with WebSink("127.0.0.1", 0, view=pipeline, stalled_s=0.5) as sink, ExitStack() as stack:
        sink.open()
        stack.enter_context(Browser(sink, receive_buffer_bytes=1024))
        wait_until(lambda: browsers(sink) == 1)

        def gone() -> bool:
            for _ in range(300):
                sink.write(pipeline.enter("door", "retrying", "x" * 1000))
            return browsers(sink) == 0

        wait_until(gone)
        sink.idle()


def test_a_slow_browser_is_told_how_much_it_missed(sink: WebSink, pipeline: FakePipeline) -> None:
    with Browser(sink) as browser:
        browser.next("health")
        for _ in range(50):
            sink.write(pipeline.predict("door", SCORES))
        heard = {}
        for name, data in browser.events():
            heard[name] = data
            if name == "dropped":
                break
        assert 0 < heard["dropped"]["total"] < 50


def test_closing_ends_browsers_that_read_and_those_that_do_not(pipeline: FakePipeline) -> None:
    sink = WebSink("127.0.0.1", 0, view=pipeline)
    sink.open()
    read: list[str] = []
    with Browser(sink) as reader, Browser(sink, receive_buffer_bytes=1024):
        reading = threading.Thread(target=lambda: read.extend(reader.lines()))
        reading.start()
        wait_until(lambda: browsers(sink) == 2)
        for _ in range(10):
            for _ in range(300):
                sink.write(pipeline.enter("door", "retrying", "x" * 1000))
            time.sleep(0.12)
        start_s = time.monotonic()
        sink.close()
        assert time.monotonic() - start_s < SOON_S
        reading.join(10)
        assert read[-2:] == ["0", ""]  # the end that HTTP wants, not a connection that broke
    sink.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", sink.address.port), timeout=1)


def test_nothing_is_left_behind(pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.runtime.stream.sinks.web.hub.FLUSH_S", 0.01)

    def left() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    def visit() -> None:
        with ExitStack() as leaving_last, WebSink("127.0.0.1", 0, view=pipeline) as sink:
            sink.open()
            reader = leaving_last.enter_context(Browser(sink))
            leaving_last.enter_context(Browser(sink, receive_buffer_bytes=1024))
            assert reader.next("health")
            assert ask(sink, "/static/app.js").status == 200
            for _ in range(20):  # more than what the system holds for those that do not read
                for _ in range(300):
                    sink.write(pipeline.enter("door", "retrying", "x" * 1000))
                time.sleep(0.02)

    visit()
    gc.collect()
    before = left()
    gc.disable()  # what is held is to be given back, not found
    try:
        for _ in range(2):
            visit()
        wait_until(lambda: left() <= before)
    finally:
        gc.enable()


def test_close_without_open_does_nothing(pipeline: FakePipeline) -> None:
    WebSink("127.0.0.1", 0, view=pipeline).close()


def test_a_port_in_use_is_told_in_one_line(sink: WebSink, pipeline: FakePipeline) -> None:
    second = WebSink("127.0.0.1", sink.address.port, view=pipeline)
    with pytest.raises(PptsnError, match=r"^--http 127\.0\.0\.1:\d+: the port is in use; stop the program"):
        second.open()


def test_an_address_of_another_machine_is_told_in_one_line(pipeline: FakePipeline) -> None:
    with pytest.raises(PptsnError, match=r"^--http 192\.0\.2\.1:8080: this machine has no such address; use"):
        WebSink("192.0.2.1", 8080, view=pipeline, token=TOKEN).open()


def test_an_unknown_host_is_told_in_one_line(pipeline: FakePipeline) -> None:
    with pytest.raises(PptsnError, match=r"there is no such host; use 127\.0\.0\.1"):
        WebSink("no-such-host.invalid", 8080, view=pipeline, token=TOKEN).open()


def test_a_port_for_administrators_is_told_in_one_line(
    pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forbidden(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidden)
    with pytest.raises(PptsnError, match="this user may not listen there; choose a port from 1024 on"):
        WebSink("127.0.0.1", 1, view=pipeline).open()


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "prometheus_client"])
def test_a_missing_package_is_told_with_its_remedy(
    pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    for name in ("routes", "metrics"):
        monkeypatch.delitem(sys.modules, f"pptsn.runtime.stream.sinks.web.{name}", raising=False)
    with pytest.raises(MissingDependencyError, match=rf"needs the package {package}; pip install 'pptsn\[web\]'"):
        WebSink("127.0.0.1", 0, view=pipeline).open()


def test_a_failing_request_is_reported_once_and_the_server_goes_on(
    sink: WebSink, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise KeyError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "sinks", broken)
        assert ask(sink, "/api/sinks").status == 500
    reports: list[str] = []

    def reported() -> bool:  # the answer may be here before the report
        try:
            sink.idle()
        except PptsnError as error:
            reports.append(str(error))
        return bool(reports)

    wait_until(reported)
    assert reports == ["web page: a request failed (KeyError: 'lost')"]
    sink.idle()
    assert ask(sink, "/api/sinks").status == 200
