import threading
import time
from collections.abc import Iterator

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks import worker as worker_module
from pptsn.runtime.stream.sinks.base import Only, Sink
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.samples import event, notice, prediction
from tests.waiting import wait_until


class Recorder(Sink):
    """Keeps what it gets; `failing` raises from `write`, `held` makes it wait."""

    name = "recorder"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.failing: Exception | None = None
        self.idle_failing: Exception | None = None
        self.free = threading.Event()
        self.free.set()
        self.idles = self.closes = 0

    def write(self, message: Message) -> None:
        self.free.wait(10)
        if self.failing:
            raise self.failing
        self.messages.append(message)

    def idle(self) -> None:
        self.idles += 1
        if self.idle_failing:
            raise self.idle_failing

    def close(self) -> None:
        self.closes += 1


@pytest.fixture
def sink() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.free.set()


@pytest.fixture
def reports() -> list[str]:
    return []


def started(sink: Sink, reports: list[str], **options: int) -> SinkWorker:
    worker = SinkWorker(sink, report=reports.append, **options)
    worker.start()
    return worker


def test_messages_arrive_in_order_and_the_end_waits_for_them(sink: Recorder, reports: list[str]) -> None:
    worker = started(sink, reports)
    messages = [prediction(i) for i in range(100)]
    for message in messages:
        worker.put(message)
    assert worker.close(timeout_s=10)
    assert sink.messages == messages
    assert (worker.health().written, worker.health().dropped, worker.health().failed) == (100, 0, 0)
    assert sink.closes == 1
    assert reports == []


def test_a_slow_sink_loses_the_oldest_messages_and_never_holds_the_caller(
    sink: Recorder, reports: list[str]
) -> None:
    sink.free.clear()
    worker = started(sink, reports, queue_messages=3)
    worker.put(prediction(0))
    wait_until(lambda: not worker._waiting)
    begin_s = time.monotonic()
    for i in range(1, 1001):
        worker.put(prediction(i))
    assert time.monotonic() - begin_s < 5
    assert worker.health().dropped == 997
    sink.free.set()
    assert worker.close(timeout_s=10)
    assert [message.number for message in sink.messages] == [0, 998, 999, 1000]


def test_a_sink_that_hangs_is_left_to_itself(sink: Recorder, reports: list[str]) -> None:
    sink.free.clear()
    worker = started(sink, reports)
    for i in range(3):
        worker.put(prediction(i))
    wait_until(lambda: len(worker._waiting) == 2)
    assert not worker.close(timeout_s=0.1)
    assert worker.health().dropped == 2
    worker.put(prediction(9))
    assert worker.health().dropped == 3
    sink.free.set()
    assert worker.close(timeout_s=10)
    assert sink.closes == 1


def test_a_failure_is_reported_once_and_so_is_its_end(sink: Recorder, reports: list[str]) -> None:
    worker = started(sink, reports)
    sink.failing = OSError(28, "No space left on device")
    for i in range(50):
        worker.put(prediction(i))
    wait_until(lambda: worker.health().failed == 50)
    assert worker.health().error == "recorder: No space left on device"
    assert reports == ["recorder: No space left on device"]
    sink.failing = None
    worker.put(prediction(50))
    assert worker.close(timeout_s=10)
    assert worker.health().error == ""
    assert reports == ["recorder: No space left on device", "recorder: works again"]


def test_a_sink_that_fails_now_and_then_does_not_flood_the_log(sink: Recorder, reports: list[str]) -> None:
    worker = started(sink, reports)
    for i in range(30):
        sink.failing = InputError("recorder", f"failure {i}") if i % 2 == 0 else None
        worker.put(prediction(i))
        wait_until(lambda i=i: worker.health().written + worker.health().failed == i + 1)
    assert worker.close(timeout_s=10)
    assert reports == ["recorder: failure 0", "recorder: works again"]


def test_a_new_failure_is_reported_after_a_while(
    sink: Recorder, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_REPORT_EVERY_S", 0.0)
    worker = started(sink, reports)
    for text in ("one", "one", "two"):
        sink.failing = InputError("recorder", text)
        before = worker.health().failed
        worker.put(prediction())
        wait_until(lambda before=before: worker.health().failed > before)
    assert worker.close(timeout_s=10)
    assert reports == ["recorder: one", "recorder: two"]


def test_a_fault_in_a_sink_costs_one_message(sink: Recorder, reports: list[str]) -> None:
    worker = started(sink, reports)
    sink.failing = ValueError("surprise")
    worker.put(prediction(0))
    wait_until(lambda: worker.health().failed == 1)
    sink.failing = None
    worker.put(prediction(1))
    assert worker.close(timeout_s=10)
    assert [message.number for message in sink.messages] == [1]
    assert reports[0] == "recorder: unexpected ValueError: surprise"


def test_a_sink_does_what_is_due_even_while_messages_wait(reports: list[str]) -> None:
    class Slow(Recorder):
        def write(self, message: Message) -> None:
            time.sleep(0.02)
            self.idles_at_last_write = self.idles

    slow = Slow()
    worker = SinkWorker(slow, report=reports.append)
    for i in range(60):
        worker.put(prediction(i))
    worker.start()
    assert worker.close(timeout_s=20)
    assert slow.idles_at_last_write >= 3


def test_trouble_while_idle_is_reported_but_is_no_failed_message(sink: Recorder, reports: list[str]) -> None:
    sink.idle_failing = InputError("recorder", "is not connected")
    worker = started(sink, reports)
    wait_until(lambda: worker.health().error)
    worker.put(prediction())
    wait_until(lambda: worker.health().written == 1)
    assert worker.health().failed == 0
    assert worker.health().error == "recorder: is not connected"
    sink.idle_failing = None
    wait_until(lambda: not worker.health().error)
    assert worker.close(timeout_s=10)
    assert reports == ["recorder: is not connected", "recorder: works again"]


def test_what_is_not_wanted_takes_no_place_and_is_not_counted(sink: Recorder, reports: list[str]) -> None:
    worker = started(Only(sink, frozenset({"events", "notices"})), reports, queue_messages=2)
    kept = [event(), notice()]
    for message in (kept[0], *(prediction(i) for i in range(100)), kept[1]):
        worker.put(message)
    assert worker.close(timeout_s=10)
    assert sink.messages == kept
    assert worker.health().written == 2
    assert worker.health().dropped == 0


class Waiting(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.interrupted = threading.Event()

    def write(self, message: Message) -> None:
        if self.interrupted.wait(10):
            raise InputError("recorder", "gave up")

    def interrupt(self) -> None:
        self.interrupted.set()


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_end_interrupts_a_sink_that_waits(reports: list[str], wrapped: bool) -> None:
    waiting = Waiting()
    worker = started(Only(waiting, frozenset({"predictions"})) if wrapped else waiting, reports)
    worker.put(prediction())
    assert worker.close(timeout_s=1.5)
    assert worker.health().failed == 1


def test_workers_can_end_at_the_same_time(reports: list[str]) -> None:
    waiting = [Waiting() for _ in range(3)]
    workers = [started(sink, reports) for sink in waiting]
    for worker in workers:
        worker.put(prediction())
        worker.finish(timeout_s=0.5)
        worker.finish(timeout_s=0.5)
    wait_until(lambda: all(sink.interrupted.is_set() for sink in waiting))
    assert all(worker.close(timeout_s=5) for worker in workers)
    assert [sink.closes for sink in waiting] == [1, 1, 1]


def test_a_sink_that_only_needs_time_is_not_interrupted_early(reports: list[str]) -> None:
    class Slow(Waiting):
        def write(self, message: Message) -> None:
            assert not self.interrupted.wait(0.05)
            self.messages.append(message)

    slow = Slow()
    worker = started(slow, reports)
    for i in range(10):
        worker.put(prediction(i))
    assert worker.close(timeout_s=20)
    assert worker.health().written == 10
    assert not slow.interrupted.is_set()


def test_what_closing_could_not_save_is_counted_and_reported(
    sink: Recorder, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def close() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sink, "close", close)
    worker = started(sink, reports)
    assert worker.close(timeout_s=10)
    assert worker.health().failed == 1
    assert reports == ["recorder: Input/output error"]


def test_a_sink_goes_on_where_nobody_can_be_told(sink: Recorder) -> None:
    def report(line: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    worker = SinkWorker(sink, report=report)
    worker.start()
    sink.failing = OSError(28, "No space left on device")
    worker.put(prediction(0))
    wait_until(lambda: worker.health().failed == 1)
    sink.failing = None
    worker.put(prediction(1))
    assert worker.close(timeout_s=10)
    assert [message.number for message in sink.messages] == [1]


def test_a_worker_that_never_started_closes(sink: Recorder, reports: list[str]) -> None:
    assert SinkWorker(sink, report=reports.append).close(timeout_s=1)
