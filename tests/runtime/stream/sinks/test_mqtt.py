import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError, MissingDependencyError
from pptsn.runtime.stream.actions.messages import Message
from pptsn.runtime.stream.sinks import mqtt as mqtt_module
from pptsn.runtime.stream.sinks.base import Only, Sink
from pptsn.runtime.stream.sinks.registry import parse_destination
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.samples import event, notice, prediction
from tests.servers import free_port, require_program, self_signed_certificate
from tests.waiting import wait_until

paho = pytest.importorskip("paho.mqtt.client")

PHRASE = "s3cr3t/#"
QUOTED = "s3cr3t%2F%23"


class Mosquitto:
    """A broker of Debian's, on a port of its own, which can be killed and started again."""

    def __init__(self, folder: Path, *, users: bool = False, tls: tuple[Path, Path] | None = None) -> None:
        self._program = require_program("mosquitto")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {'false' if users else 'true'}"]
        if users:
            passwords = folder / "passwords"
            make = require_program("mosquitto_passwd")
            subprocess.run([make, "-b", "-c", passwords, "me", PHRASE], check=True, timeout=30)
            lines.append(f"password_file {passwords}")
        if tls:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        if os.getuid() == 0:  # it would change to a user who may not read the folder
            lines.append("user root")
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self._program, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Keeps all that a broker sends, by topic."""

    def __init__(self, port: int, *, password: str | None = None) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        if password:
            self._client.username_pw_set("me", password)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = lambda _, __, m: self.messages.append((m.topic, m.payload, m.retain))
        subscribed: list[int] = []
        self._client.on_subscribe = lambda *_: subscribed.append(1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(lambda: subscribed)

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.messages]

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.messages if name == topic]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    server = Mosquitto(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    broker.start()
    ear = Listener(broker.port)
    yield ear
    ear.stop()


class Running:
    """A sink at work, and what it reports."""

    def __init__(self, url: str) -> None:
        self.reports: list[str] = []
        self._sink = parse_destination(url, top=2)
        self.worker = SinkWorker(self._sink, report=self.reports.append)
        self.worker.start()

    @contextmanager
    def kept_away(self) -> Iterator[None]:
        """Let it not connect again before the end of the block."""
        sink = self._sink.sink if isinstance(self._sink, Only) else self._sink
        client, let = sink._client, threading.Event()  # type: ignore[attr-defined]
        reconnect = client.reconnect
        client.reconnect = lambda: (let.wait(60), reconnect())[1]
        try:
            yield
        finally:
            let.set()

    def put(self, *messages: Message) -> None:
        for message in messages:
            self.worker.put(message)


@pytest.fixture
def running() -> Iterator[list[Running]]:
    all_of_them: list[Running] = []
    yield all_of_them
    for one in all_of_them:
        one.worker.close(timeout_s=10)


@pytest.mark.servers
def test_messages_arrive_under_their_stream_and_kind(listener: Listener, broker: Mosquitto) -> None:
    run = Running(f"mqtt://127.0.0.1:{broker.port}")
    messages = [prediction(stream="front/door +#1"), event(), notice()]
    run.put(*messages)
    assert run.worker.close(timeout_s=10)
    wait_until(lambda: b"offline" in listener.payloads("pptsn/status"))
    received = {topic: json.loads(payload) for topic, payload, _ in listener.messages if "status" not in topic}
    assert received == {
        "pptsn/front%2Fdoor %2B%231/prediction": messages[0].to_dict(top=2),
        "pptsn/door/event": messages[1].to_dict(),
        "pptsn/door/notice": messages[2].to_dict(),
    }
    assert listener.payloads("pptsn/status") == [b"online", b"offline"]
    assert run.worker.health().written == 3
    assert run.reports == []


@pytest.mark.servers
def test_a_path_is_the_prefix_and_messages_are_kept_on_request(listener: Listener, broker: Mosquitto) -> None:
    run = Running(f"mqtt://127.0.0.1:{broker.port}/site/hall?qos=0&retain=1")
    run.worker.put(notice())
    wait_until(lambda: "site/hall/status" in listener.topics())
    run.put(event())
    wait_until(lambda: "site/hall/door/event" in listener.topics())
    assert run.worker.close(timeout_s=10)
    late = Listener(broker.port)
    wait_until(lambda: ("site/hall/door/event", True) in [(t, kept) for t, _, kept in late.messages])
    wait_until(lambda: ("site/hall/status", b"offline", True) in late.messages)
    late.stop()


@pytest.mark.servers
def test_a_broker_that_is_killed_and_comes_back_gets_all_events(broker: Mosquitto, running: list[Running]) -> None:
    broker.start()
    run = Running(f"mqtt://127.0.0.1:{broker.port}?only=predictions")
    running.append(run)
    wait_until(lambda: not run.worker.health().error)
    run.put(prediction(0))
    wait_until(lambda: run.worker.health().written == 1)
    with run.kept_away():  # until somebody listens
        broker.kill()
        wait_until(lambda: run.reports)
        assert "the connection was lost" in run.reports[0]
        run.put(prediction(1), prediction(2))
        broker.start()
        ear = Listener(broker.port)
    wait_until(lambda: len(ear.payloads("pptsn/door/prediction")) >= 2)
    run.put(prediction(3))
    wait_until(lambda: len(ear.payloads("pptsn/door/prediction")) >= 3)
    numbers = {json.loads(payload)["number"] for payload in ear.payloads("pptsn/door/prediction")}
    ear.stop()
    assert numbers >= {1, 2, 3}
    wait_until(lambda: run.reports[-1].endswith("works again"))
    assert run.worker.health().failed == 0


@pytest.mark.servers
def test_no_broker_at_the_beginning_is_reported_and_tried_again(broker: Mosquitto, running: list[Running]) -> None:
    run = Running(f"mqtt://127.0.0.1:{broker.port}")
    running.append(run)
    wait_until(lambda: run.reports)
    assert run.reports == [
        f"mqtt://127.0.0.1:{broker.port}/pptsn: cannot be reached (Connection refused)",
    ]
    run.put(event())
    broker.start()
    ear = Listener(broker.port)
    wait_until(lambda: ear.payloads("pptsn/door/event"))
    ear.stop()


@pytest.mark.servers
@pytest.mark.parametrize("right", [True, False])
def test_a_wrong_password_is_reported_and_shown_nowhere(
    tmp_path: Path, running: list[Running], right: bool
) -> None:
    guarded = Mosquitto(tmp_path, users=True)
    try:
        guarded.start()
        run = Running(f"mqtt://me:{QUOTED if right else QUOTED[1:]}@127.0.0.1:{guarded.port}")
        running.append(run)
        if right:
            ear = Listener(guarded.port, password=PHRASE)
            run.put(event())
            wait_until(lambda: ear.payloads("pptsn/door/event"))
            ear.stop()
            assert run.reports == []
        else:
            wait_until(lambda: run.reports)
            assert "refuses the connection (Not authorized); check user and password" in run.reports[0]
            assert "3cr3t" not in f"{run.reports}{run.worker.health()}"
            run.put(event())
            wait_until(lambda: run.worker.health().written == 1)  # waits for better days
    finally:
        guarded.kill()


@pytest.mark.servers
@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_of_a_broker_is_checked(
    tmp_path: Path, running: list[Running], monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    certificate, key = self_signed_certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    secure = Mosquitto(tmp_path, tls=(certificate, key))
    try:
        secure.start()
        run = Running(f"mqtts://127.0.0.1:{secure.port}")
        running.append(run)
        run.put(event())
        if trusted:
            assert run.worker.close(timeout_s=10)
            assert (run.reports, run.worker.health().written) == ([], 1)
        else:
            wait_until(lambda: run.reports)
            assert "cannot be reached" in run.reports[0]
            assert "certificate" in run.reports[0].lower()
    finally:
        secure.kill()


@pytest.mark.servers
def test_a_program_that_dies_is_reported_by_the_broker(listener: Listener, broker: Mosquitto) -> None:
    code = f"""
import os, sys
from pptsn.runtime.stream.sinks.registry import parse_destination
sink = parse_destination("mqtt://127.0.0.1:{broker.port}", top=1)
sink.open()
sys.stdin.read()
os._exit(1)
"""
    root = Path(__file__).parents[4]
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=root) as program:
        wait_until(lambda: listener.payloads("pptsn/status") == [b"online"])
        program.stdin.close()
    wait_until(lambda: listener.payloads("pptsn/status") == [b"online", b"offline"])


def test_without_a_connection_messages_of_qos_0_fail_and_others_wait_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    monkeypatch.setattr(mqtt_module, "MAX_PENDING", 3)
    with parse_destination(f"mqtt://127.0.0.1:{port}?qos=0", top=1) as sink:
        sink.open()
        with pytest.raises(InputError):
            sink.write(event())
    patient = parse_destination(f"mqtt://127.0.0.1:{port}?qos=1", top=1)
    patient.open()
    for _ in range(3):
        patient.write(event())
    with pytest.raises(InputError, match="takes nothing; 3 messages wait already"):
        patient.write(event())
    begin_s = time.monotonic()
    with pytest.raises(InputError, match="3 messages were not delivered"):
        patient.close()
    assert time.monotonic() - begin_s < 3
    patient.close()
    with pytest.raises(InputError, match="is closed"):
        patient.write(event())


def test_messages_of_qos_0_are_not_thrown_at_a_server_that_has_not_answered_yet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = parse_destination(f"mqtt://127.0.0.1:{silent.getsockname()[1]}?qos=0", top=1)
        sink.open()
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(100)
            with pytest.raises(InputError, match="is not connected yet"):
                sink.write(event())
        sink.close()


def test_the_end_does_not_wait_for_a_server_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = parse_destination(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", top=1)
        sink.open()
        sink.write(event())
        begin_s = time.monotonic()
        with pytest.raises(InputError, match="1 messages were not delivered"):
            sink.close()
        assert time.monotonic() - begin_s < 3


@pytest.mark.parametrize("size", [1 << 10, 1 << 17, (1 << 28) - 1])
def test_a_long_packet_takes_no_memory(size: int) -> None:
    """A broker that says how much it will send had that much room made for it, 256 MB at most, again and again."""
    left = bytes((size >> shift & 0x7F) | (0x80 if shift < 21 else 0) for shift in (0, 7, 14, 21))
    with socket.create_server(("127.0.0.1", 0)) as hostile:
        sink = parse_destination(f"mqtt://127.0.0.1:{hostile.getsockname()[1]}", top=1)
        sink.open()
        connection, _ = hostile.accept()
        with connection:
            connection.settimeout(5)
            connection.recv(1000)
            connection.sendall(b"\x20\x02\0\0" + b"\x30" + left)
            wait_until(lambda: bool(connection.recv(1000)))  # the status
            sent = 0
            block = bytes(1 << 16)
            with suppress(OSError):
                while sent < size:
                    sent += connection.send(block[: size - sent])
            assert (sent < size) == (size > 1 << 16) or size == 1 << 17  # which a socket holds unread
        with suppress(InputError):
            sink.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "hung up, or sent what no broker sends"),
        (b"\xff\xfe\x1b[31m", "hung up, or sent what no broker sends"),
        (b"\x20\x02\0\5", "refuses the connection (Not authorized)"),
        (None, "no broker answers there"),
    ],
)
def test_the_end_says_why_messages_were_not_delivered(answer: bytes | None, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = parse_destination(f"mqtt://127.0.0.1:{server.getsockname()[1]}", top=1)
        sink.open()
        sink.write(event())
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            if answer is not None:
                connection.sendall(answer)
                connection.close()
                wait_until(lambda: "does not answer" not in str(_idle_error(sink)))
            with pytest.raises(InputError) as refused:
                sink.close()
    assert f"1 messages were not delivered ({reason}" in str(refused.value)


def _idle_error(sink: Sink) -> InputError | str:
    try:
        sink.idle()
    except InputError as error:
        return error
    return "does not answer yet"


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(
        MissingDependencyError, match=r"output mqtt: needs paho-mqtt .*pip install 'pptsn\[mqtt\]'"
    ):
        parse_destination("mqtt://127.0.0.1", top=1).open()
