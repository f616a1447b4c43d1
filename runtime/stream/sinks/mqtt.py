"""MQTT: each message as JSON under a topic of its stream and kind.  The one place that needs paho-mqtt."""

from __future__ import annotations

import errno
import os
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pptsn.runtime.base.errors import InputError, MissingDependencyError, UsageError, install_command
from pptsn.runtime.base.options import option, switch, whole
from pptsn.runtime.base.plugins import Requirement
from pptsn.runtime.credentials.redaction import redacted
from pptsn.runtime.stream.actions.messages import ActionEvent, Message, StreamNotice, StreamPrediction
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.kind import Address, MessageOptions, SinkKind, host_and_port
from pptsn.runtime.stream.sinks.text import json_text, topic_level_of

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_INSTALL = install_command("mqtt")
DEFAULT_PREFIX = "pptsn"
DEFAULT_QOS = 1
# Messages that may wait for the broker; past them, new ones fail.
MAX_PENDING = 1000
# How soon a broker that no longer answers is taken for dead: after one to two of these.
_KEEPALIVE_S = 15
_CONNECT_TIMEOUT_S = 5.0
_MIN_RECONNECT_S = 1
_MAX_RECONNECT_S = 8
# How long the end may take: for what waits, then for saying goodbye.
_FLUSH_S = 0.6
_GOODBYE_S = 0.2

_TYPES = {StreamPrediction: "prediction", ActionEvent: "event", StreamNotice: "notice"}
_REFUSED = "refuses the connection"
# Of what a broker sends to a client that subscribes to nothing: confirmations of some bytes.
_MOST_PACKET_BYTES = 1 << 16
_NOT_CONNECTED = 4  # paho's MQTT_ERR_NO_CONN


@dataclass(frozen=True)
class MqttOptions(MessageOptions):
    """The options of a broker."""

    qos: int = option(
        f"Quality of service; {DEFAULT_QOS} if not given.",
        default=DEFAULT_QOS,
        parse=whole(0, 2),
    )
    retain: bool = option("1: the broker keeps the last message of each topic.", default=False, parse=switch)


@dataclass(frozen=True)
class Broker:
    """A broker and how to talk to it.

    user, password: None where there are none.  prefix: what all topics begin with.
    qos: 0, 1 or 2.  retain: whether the broker keeps the last message of each topic for those who come later.
    secrets: what no report may hold of it.
    """

    host: str
    port: int
    secure: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    prefix: str = DEFAULT_PREFIX
    qos: int = DEFAULT_QOS
    retain: bool = False
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


class MqttSink(Sink):
    """Publishes the `to_dict` of each message, with the `top` leading classes, under `prefix/STREAM/TYPE`.

    TYPE is prediction, event or notice; characters that topics cannot have are spelled in hexadecimal.
    `prefix/status` says "online", and "offline" once the program has ended or died; the broker keeps it.

    The connection is made and made again by a thread of the client, for ever; while there is none, `idle` raises
    InputError, which says why.  Messages of QoS 1 and 2 wait for it, up to a bound; those of QoS 0 are lost, and
    counted as failed.
    """

    def __init__(self, broker: Broker, *, top: int) -> None:
        scheme = "mqtts" if broker.secure else "mqtt"
        address = f"{scheme}://{host_and_port(broker.host, broker.port)}/{broker.prefix}"
        self.name = redacted(address, secrets=broker.secrets)
        self._broker = broker
        self._top = top
        self._status_topic = f"{broker.prefix}/status"
        self._client: Client | None = None
        self._connected = threading.Event()
        self._pending = _Pending()
        self._trouble = ""
        self._patient_until_s = 0.0

    def open(self) -> None:
        """Begin to connect; a broker that is away is no error.

        Raises MissingDependencyError without paho-mqtt.
        """
        self._client = client = _new_client(self._broker)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.will_set(self._status_topic, "offline", qos=1, retain=True)
        client.connect_async(self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S)
        self._patient_until_s = time.monotonic() + _CONNECT_TIMEOUT_S
        client.loop_start()

    def write(self, message: Message) -> None:
        """Publish `message`, or queue it while the broker is away; raises InputError where neither is possible."""
        if self._client is None:
            raise self._error("is closed")
        if self._broker.qos == 0 and not self._connected.is_set():
            raise self._error(self._trouble or "is not connected yet")
        if self._pending.count >= MAX_PENDING:
            raise self._error(f"takes nothing; {MAX_PENDING} messages wait already")
        topic = f"{self._broker.prefix}/{topic_level_of(message.stream)}/{_TYPES[type(message)]}"
        text = json_text(message.to_dict(top=self._top))
        if not self._publish(self._client, topic, text, qos=self._broker.qos, retain=self._broker.retain):
            raise self._error("did not take a message")

    def idle(self) -> None:
        """Raise InputError while there is no connection; it may take its time only at the beginning."""
        if self._connected.is_set():
            return
        if self._trouble or time.monotonic() > self._patient_until_s:
            raise self._error(self._trouble or "does not answer")

    def close(self) -> None:
        """Say goodbye, within a second; raises InputError where messages were not delivered by then."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._connected.is_set() or not self._trouble:  # a short run may end before the connection is there
            self._pending.wait_until_none(_FLUSH_S)
        lost = self._pending.count
        cut_off = self._trouble or "no broker answers there"  # before the goodbye, which ends the connection
        reason = "it did not confirm them in time" if self._connected.is_set() else cut_off
        if self._connected.is_set():
            self._publish(client, self._status_topic, "offline", qos=1, retain=True)
            self._pending.wait_until_none(_GOODBYE_S)
        client.disconnect()
        # `loop_stop` waits for the client's thread, which may be in the midst of a long attempt to connect.
        stopping = threading.Thread(target=client.loop_stop, name=f"sink {self.name} stopping", daemon=True)
        stopping.start()
        stopping.join(_GOODBYE_S)
        if lost:
            raise self._error(f"{lost} messages were not delivered ({reason})")

    def _publish(self, client: Client, topic: str, text: str, *, qos: int, retain: bool) -> bool:
        self._pending.add()  # before, as the client's thread may have delivered it by the time `publish` returns
        code = client.publish(topic, text.encode(), qos=qos, retain=retain).rc
        # Without a connection (4), QoS 1 and 2 are queued all the same.
        taken = code == 0 or (qos > 0 and code == _NOT_CONNECTED)
        if not taken:
            self._pending.remove()
        return taken

    def _error(self, cause: str) -> InputError:
        remedy = "check user and password" if _REFUSED in cause else ""
        return InputError(self.name, redacted(cause, secrets=self._broker.secrets), remedy)

    # The callbacks run in the client's thread.

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._trouble = f"{_REFUSED} ({reason})"
            return
        self._connected.set()
        self._publish(client, self._status_topic, "online", qos=1, retain=True)

    def _on_connect_fail(self, client: Client, _: Any) -> None:
        # The client calls this while it handles the error, and tells it to nobody.
        error = sys.exc_info()[1]
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        self._trouble = f"cannot be reached ({reason})"

    def _on_disconnect(
        self, client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._connected.is_set():
            self._trouble = f"the connection was lost ({reason})"
            self._connected.clear()
            if self._broker.qos == 0:
                self._pending.clear()
        elif not self._trouble:
            self._trouble = "hung up, or sent what no broker sends, before it took the connection"

    def _on_publish(
        self, client: Client, _: Any, number: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._pending.remove()


class _Pending:
    """Counts the messages that the broker has not confirmed; of QoS 0, those that are not sent."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def add(self) -> None:
        with self._changed:
            self.count += 1

    def remove(self) -> None:
        with self._changed:
            self.count = max(0, self.count - 1)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self.count = 0
            self._changed.notify_all()

    def wait_until_none(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.count == 0, timeout_s)


def _new_client(broker: Broker) -> Client:
    try:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        cause = f"needs paho-mqtt ({error})"
        raise MissingDependencyError("output mqtt", cause, f"run: {_INSTALL}") from error

    class Bounded(paho.Client):
        """A client that makes no room for a packet just because a broker says how long it is."""

        def _sock_recv(self, bufsize: int) -> bytes:
            # As much is asked for as the packet's head says; after an error the connection counts as lost.
            if bufsize > _MOST_PACKET_BYTES:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
            data: bytes = super()._sock_recv(bufsize)
            return data

    client = Bounded(CallbackAPIVersion.VERSION2)
    client.connect_timeout = _CONNECT_TIMEOUT_S
    client.reconnect_delay_set(_MIN_RECONNECT_S, _MAX_RECONNECT_S)
    client.max_queued_messages_set(2 * MAX_PENDING)  # a second bound, behind our own
    if broker.user is not None:
        client.username_pw_set(broker.user, broker.password)
    if broker.secure:
        client.tls_set_context(ssl.create_default_context())
    return client


class MqttKind(SinkKind[MqttOptions]):
    """A broker: `mqtt://[user:password@]host[:port][/prefix]`."""

    help = "an MQTT broker; its path begins the topics"
    schemes = ("mqtt", "mqtts")
    is_url = True
    options = MqttOptions
    requirements = (Requirement("paho-mqtt", "streams to an MQTT broker", _INSTALL),)

    def make(self, address: Address, options: MqttOptions, *, top: int) -> MqttSink:
        """Return a sink that publishes; raises UsageError for a prefix that cannot be one."""
        prefix = unquote(address.path).strip("/") or DEFAULT_PREFIX
        if not prefix.isprintable() or set("+#") & set(prefix):
            raise UsageError(address.name, "its topic holds +, # or a control character", "name another")
        secure = address.scheme == "mqtts"
        broker = Broker(
            host=address.host,
            port=address.port or (8883 if secure else 1883),
            secure=secure,
            user=address.user,
            password=address.password,
            prefix=prefix,
            qos=options.qos,
            retain=options.retain,
            secrets=address.secrets,
        )
        return MqttSink(broker, top=top)
