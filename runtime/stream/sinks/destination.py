"""What `--output` may name.

    x.jsonl, x.ndjson       JSON Lines: one object a message
    x.csv                   a table for a spreadsheet
    x.mp4, x.ts, x.mkv      annotated video; `{stream}` in the path stands for the stream's name
    -                       JSON Lines on standard output
    http://, https://       a webhook: JSON by POST; user:password@ before the host become Basic authorization
    mqtt://, mqtts://       a broker: `mqtt://[user:password@]host[:port][/prefix]`

Options follow as a query, `x.jsonl?rotate=100MB&keep=5`, as they do with sources; a `?` that no option follows
belongs to the name.  A webhook's query is its own, so its options stand in the fragment:
`https://host/hook?id=7#timeout=5&only=events,notices`.

    only=LIST               which of predictions, events and notices; all, but a webhook gets events
    rotate=SIZE, keep=N     files: begin a new one before SIZE (100MB, 1GiB) is passed; keep N old ones, or 5
    timeout=SECONDS         webhook: for one attempt, 5 if not given
    tries=N                 webhook: attempts a message, 5 if not given
    qos=0|1|2, retain=0|1   MQTT: 1 and 0 if not given
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.classify.results import printable
from pptsn.runtime.stream.sinks.abilities import KINDS, Only
from pptsn.runtime.stream.sinks.base import Sink
from pptsn.runtime.stream.sinks.csv_file import CsvSink
from pptsn.runtime.stream.sinks.escaping import file_name_of
from pptsn.runtime.stream.sinks.http_post import Address
from pptsn.runtime.stream.sinks.jsonl import JsonlSink
from pptsn.runtime.stream.sinks.line_file import LineFile
from pptsn.runtime.stream.sinks.line_output import StandardOutput
from pptsn.runtime.stream.sinks.mqtt import DEFAULT_PREFIX, DEFAULT_QOS, Broker, MqttSink
from pptsn.runtime.stream.sinks.webhook import DEFAULT_TIMEOUT_S, DEFAULT_TRIES, WebhookSink

JSONL_SUFFIXES = (".jsonl", ".ndjson")
VIDEO_SUFFIXES = (".mp4", ".ts", ".mkv")
_PLACES = "FILE.jsonl, FILE.ndjson, FILE.csv, FILE.mp4, FILE.ts, FILE.mkv, -, http://..., https://..., mqtt://..., mqtts://..."
_STREAM = "{stream}"
_DEFAULT_KEEP = 5
_MAX_KEEP = 10_000
_MAX_TIMEOUT_S = 300.0
_MAX_TRIES = 100
# A smaller file would be renamed with every line.
_MIN_ROTATE_BYTES = 1000

_NAME = re.compile(r"[a-z_]{1,20}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_QUERY = re.compile(r"\?(?=[A-Za-z_]+=)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKMGT]?)(i?)B?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
# What may stand in the target of a request as it is; the rest is percent-encoded.
_TARGET_SAFE = "/%:@!$&'()*+,;=~-._?[]"

_T = TypeVar("_T")


@dataclass(frozen=True)
class VideoDestination:
    """Where the annotated video of each stream goes.

    template: a path that ends in one of VIDEO_SUFFIXES, with `{stream}` in it perhaps.
    """

    template: str

    @property
    def name(self) -> str:
        """What reports call it."""
        return printable(self.template)

    @property
    def per_stream(self) -> bool:
        """Whether each stream has a file of its own."""
        return _STREAM in self.template

    def path_for(self, stream: str) -> Path:
        """Return the file of the stream called `stream`; what cannot stand in a file name is spelled in hex."""
        return Path(self.template.replace(_STREAM, file_name_of(stream)))


def parse_destination(text: str, *, top: int) -> Sink | VideoDestination:
    """Return what `--output text` asks for, not open yet.  top: the leading classes of each prediction to write.

    Raises UsageError, which shows no credentials, for what is unknown, malformed or out of range.
    """
    scheme = _SCHEME.match(text)
    if scheme:
        return _network_sink(scheme[1].lower(), text, top)
    place, query = split_query(text)
    if place == "-":
        return _chosen(JsonlSink(StandardOutput(), top=top), _Options("standard output", query, ("only",)))
    return _file_destination(place, query, top)


def split_query(text: str) -> tuple[str, str]:
    """Return a file's name and the options after it; a `?` that no option follows belongs to the name."""
    found = _QUERY.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def _file_destination(place: str, query: str, top: int) -> Sink | VideoDestination:
    path = Path(place)
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        _Options(place, query, ())
        return VideoDestination(place)
    if suffix != ".csv" and suffix not in JSONL_SUFFIXES:
        raise UsageError(
            "--output", f"unknown kind of output {suffix or 'without a suffix'}", f"expected {_PLACES}"
        )
    if _STREAM in place:
        cause = f"{_STREAM} is for videos; every line of other files names its stream"
        raise UsageError(printable(place), cause, f"leave {_STREAM} out")
    options = _Options(place, query, ("only", "rotate", "keep"))
    rotate_bytes = options.value("rotate", _size_bytes, None)
    keep = options.value("keep", _whole(1, _MAX_KEEP), _DEFAULT_KEEP)
    if rotate_bytes is None and options.has("keep"):
        raise UsageError(printable(place), "keep counts the files that rotate makes", "give rotate=SIZE as well")
    if suffix == ".csv":
        return _chosen(CsvSink(path, top=top, rotate_bytes=rotate_bytes, keep=keep), options)
    return _chosen(JsonlSink(LineFile(path, rotate_bytes=rotate_bytes, keep=keep), top=top), options)


def _network_sink(scheme: str, text: str, top: int) -> Sink:
    makers = {"http": _webhook, "https": _webhook, "mqtt": _mqtt, "mqtts": _mqtt}
    if scheme not in makers:
        raise UsageError("--output", f"unknown scheme {scheme}://", f"expected {_PLACES}")
    try:
        parts = urlsplit(text)
        host, port = _ascii_host(parts.hostname or ""), parts.port
    except ValueError:  # its text may show a part of a password
        host, port = "", None
    if not host or port == 0:
        remedy = "expected [USER:PASSWORD@]HOST[:PORT]/..., with / ? # @ : in USER and PASSWORD as %2F and so on"
        raise UsageError("--output", f"no valid address after {scheme}://", remedy)
    return makers[scheme](parts, host, port, top)


def _webhook(parts: SplitResult, host: str, port: int | None, top: int) -> Sink:
    # The path is left out of the name: with many services it is the secret.
    name = f"{parts.scheme}://{_host_and_port(host, port)}"
    options = _Options(name, parts.fragment, ("only", "timeout", "tries"))
    headers = {}
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    secure = parts.scheme == "https"
    target = quote(parts.path or "/", safe=_TARGET_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_TARGET_SAFE)
    sink = WebhookSink(
        Address(secure, host, port or (443 if secure else 80), target),
        name=name,
        top=top,
        headers=headers,
        timeout_s=options.value("timeout", _seconds, DEFAULT_TIMEOUT_S),
        tries=options.value("tries", _whole(1, _MAX_TRIES), DEFAULT_TRIES),
    )
    return _chosen(sink, options, default=frozenset({"events"}))


def _mqtt(parts: SplitResult, host: str, port: int | None, top: int) -> Sink:
    name = f"{parts.scheme}://{_host_and_port(host, port)}"
    if parts.fragment:
        raise UsageError(name, "has a part after #", "options follow a ?; # in a password is %23")
    prefix = unquote(parts.path).strip("/") or DEFAULT_PREFIX
    if not prefix.isprintable() or set("+#") & set(prefix):
        raise UsageError(name, "its topic holds +, # or a control character", "name another")
    options = _Options(name, parts.query, ("only", "qos", "retain"))
    secure = parts.scheme == "mqtts"
    broker = Broker(
        host=host,
        port=port or (8883 if secure else 1883),
        secure=secure,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        prefix=prefix,
        qos=options.value("qos", _whole(0, 2), DEFAULT_QOS),
        retain=bool(options.value("retain", _whole(0, 1), 0)),
    )
    return _chosen(MqttSink(broker, top=top), options)


def _ascii_host(host: str) -> str:
    """Return a host name as the network takes it; raises ValueError where it is none."""
    return host if ":" in host or not host else host.encode("idna").decode()


def _host_and_port(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _chosen(sink: Sink, options: _Options, default: frozenset[str] = frozenset(KINDS)) -> Sink:
    """Return `sink`, behind the choice of kinds that the option `only` makes."""
    kinds = options.value("only", _kinds, default)
    return sink if kinds == frozenset(KINDS) else Only(sink, kinds)


class _Options:
    """The options of the output `thing`: `text` is `name=value&name=value`, with names in `known`."""

    def __init__(self, thing: str, text: str, known: tuple[str, ...]) -> None:
        self._thing = printable(thing)
        self._values: dict[str, str] = {}
        for part in filter(None, text.split("&")):
            name, equals, value = part.partition("=")
            if name not in known:
                # What is no plain name may be a part of a password with a # in it.
                shown = (
                    f"unknown option {name}" if equals and _NAME.fullmatch(name) else "its options are malformed"
                )
                expected = f"expected {', '.join(f'{name}=...' for name in known)}" if known else "it takes none"
                raise UsageError(self._thing, shown, expected)
            if name in self._values:
                raise UsageError(self._thing, f"option {name} is given twice", "give it once")
            self._values[name] = unquote(value)

    def has(self, name: str) -> bool:
        """Whether the option was given."""
        return name in self._values

    def value(self, name: str, convert: Callable[[str], _T], default: _T) -> _T:
        """Return the option's value; `convert` raises ValueError, which says what was expected."""
        if name not in self._values:
            return default
        text = self._values[name]
        try:
            return convert(text)
        except ValueError as error:
            raise UsageError(self._thing, f"{name}={text} makes no sense", f"expected {error}") from error


def _size_bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found:
        number, unit, binary = found.groups()
        size = float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()]
        if size >= _MIN_ROTATE_BYTES:
            return int(size)
    raise ValueError(f"a size of at least {_MIN_ROTATE_BYTES} bytes, such as 100MB or 1GiB")


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
            return int(text)
        raise ValueError(f"a whole number from {lowest} to {highest}")

    return convert


def _seconds(text: str) -> float:
    expected = f"seconds, more than 0 and at most {_MAX_TIMEOUT_S:g}"
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(expected) from None
    if not 0 < seconds <= _MAX_TIMEOUT_S:
        raise ValueError(expected)
    return seconds


def _kinds(text: str) -> frozenset[str]:
    kinds = frozenset(kind.strip() for kind in text.split(","))
    if not kinds <= KINDS.keys():
        raise ValueError(f"a list of {', '.join(KINDS)}")
    return kinds
