from importlib import metadata
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.stream.sinks.base import Only, Sink
from pptsn.runtime.stream.sinks.csv_file import CsvSink
from pptsn.runtime.stream.sinks.jsonl import JsonlSink
from pptsn.runtime.stream.sinks.kind import VideoDestination
from pptsn.runtime.stream.sinks.mqtt import Broker, MqttSink
from pptsn.runtime.stream.sinks.registry import outputs_help, parse_destination
from pptsn.runtime.stream.sinks.webhook import WebhookKind, WebhookSink

HIDDEN = "s3cr3t"


def kinds_and_sink(text: str) -> tuple[frozenset[str], Sink]:
    sink = parse_destination(text, top=3)
    assert isinstance(sink, Sink)
    return (sink.types, sink.sink) if isinstance(sink, Only) else (frozenset({"all"}), sink)


def webhook(text: str) -> WebhookSink:
    sink = kinds_and_sink(text)[1]
    assert isinstance(sink, WebhookSink)
    return sink


def broker(text: str) -> Broker:
    sink = kinds_and_sink(text)[1]
    assert isinstance(sink, MqttSink)
    return sink._broker


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("x.jsonl", JsonlSink, "x.jsonl"),
        ("folder/x.NDJSON", JsonlSink, "folder/x.NDJSON"),
        ("x.csv", CsvSink, "x.csv"),
        ("-", JsonlSink, "standard output"),
        ("what?.jsonl", JsonlSink, "what?.jsonl"),
        ("http://[::1]:8080/hook", WebhookSink, "http://[::1]:8080"),
        ("MQTT://broker", MqttSink, "mqtt://broker:1883/pptsn"),
    ],
)
def test_the_end_or_the_beginning_says_what_it_is(text: str, kind: type, name: str) -> None:
    sink = kinds_and_sink(text)[1]
    assert type(sink) is kind
    assert sink.name == name


def test_videos_are_left_to_the_recorder() -> None:
    video = parse_destination("out/{stream}.mp4", top=3)
    assert isinstance(video, VideoDestination)
    assert video.per_stream
    assert video.path_for("front door") == Path("out/front door.mp4")
    assert parse_destination("x.ts", top=3) == VideoDestination("x.ts")
    assert not VideoDestination("x.mkv").per_stream


@pytest.mark.parametrize("one", ["../../etc/passwd", "a/b", ".hidden", "100%", "", "a\nb", "caf\udce9"])
def test_a_stream_name_cannot_lead_a_video_elsewhere(one: str) -> None:
    path = VideoDestination("out/{stream}.mp4").path_for(one)
    assert path.parent == Path("out")
    assert path.name.isprintable()
    assert not path.name.startswith(".")


def test_different_streams_never_share_a_file() -> None:
    names = ["a/b", "a%2Fb", "a\\b", "a_b", "A/B"]
    video = VideoDestination("{stream}.mp4")
    assert len({video.path_for(name) for name in names}) == len(names)


def test_options_of_files_reach_them() -> None:
    kinds, sink = kinds_and_sink("x.jsonl?rotate=100MB&keep=7&only=events,notices")
    assert kinds == {"events", "notices"}
    assert (sink._output._rotate_bytes, sink._output._keep) == (100_000_000, 7)


@pytest.mark.parametrize(
    ("text", "size"), [("1500", 1500), ("2kB", 2000), ("1.5M", 1_500_000), ("1GiB", 2**30), ("2Ki", 2048)]
)
def test_sizes_are_written_as_people_do(text: str, size: int) -> None:
    assert kinds_and_sink(f"x.jsonl?rotate={text}")[1]._output._rotate_bytes == size


def test_the_query_of_a_webhook_is_its_own() -> None:
    sink = webhook("https://h/hook/é?id=7&timeout=99&only=x#timeout=2.5&tries=3")
    assert sink._url == "https://h/hook/%C3%A9?id=7&timeout=99&only=x"
    assert (sink._timeout_s, sink._tries) == (2.5, 3)


def test_a_webhook_gets_events_unless_told_otherwise() -> None:
    assert kinds_and_sink("http://h/")[0] == {"events"}
    assert kinds_and_sink("http://h/#only=predictions,events")[0] == {"predictions", "events"}
    assert kinds_and_sink("mqtt://h")[0] == {"all"}


def test_credentials_become_headers_and_no_name() -> None:
    sink = webhook(f"http://me:{HIDDEN}%40%2F@h:81/{HIDDEN}?token={HIDDEN}")
    assert sink._headers["Authorization"] == "Basic bWU6czNjcjN0QC8="  # me:s3cr3t@/
    assert sink.name == "http://h:81"


def test_a_broker_is_read_whole() -> None:
    assert broker(f"mqtts://us%3Aer:{HIDDEN}%23@[::1]/site/a%20b/?qos=2&retain=1") == Broker(
        host="::1",
        port=8883,
        secure=True,
        user="us:er",
        password=f"{HIDDEN}#",
        prefix="site/a b",
        qos=2,
        retain=True,
    )
    assert broker("mqtt://h:1884") == Broker(host="h", port=1884)
    assert HIDDEN not in parse_destination(f"mqtt://me:{HIDDEN}@h/x", top=1).name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x.txt", r"unknown kind of output \.txt; expected FILE\.jsonl, .*mqtts://"),
        ("x", "unknown kind of output without a suffix; expected FILE"),
        ("", "unknown kind of output"),
        ("ftp://h/x.jsonl", "unknown scheme ftp://; expected FILE"),
        ("x.jsonl?rotat=5MB", r"x\.jsonl: unknown option 'rotat'; expected one of keep, only, rotate"),
        ("x.mp4?only=events", "unknown option 'only'; expected one of font"),
        ("x.mp4?font=No Such Font", "font=No Such Font is out of range; expected a font that is installed"),
        ("-?rotate=1MB", "standard output: unknown option 'rotate'; expected one of only"),
        ("x.csv?rotate=big", "rotate=big is out of range; expected a size of at least 1000 bytes"),
        ("x.csv?rotate=10", "rotate=10 is out of range"),
        ("x.csv?keep=3", "keep counts the files that rotate makes"),
        ("x.csv?rotate=1MB&keep=0", "keep=0 is out of range; expected 1 to 10000"),
        ("x.csv?rotate=1MB&rotate=2MB", "option rotate is given twice"),
        ("x.csv?only=event", "only=event is out of range; expected a list of predictions, events, notices"),
        ("{stream}.jsonl", "is for videos"),
        ("http://h/#timeout=0", "timeout=0 is out of range"),
        ("http://h/#timeout=nan", "timeout=nan is out of range"),
        ("http://h/#qos=1", "unknown option 'qos'; expected one of only, timeout, tries"),
        ("http:///path", "no valid address after http://"),
        ("http://h:99999/", "no valid address"),
        ("http://h:0/", "no valid address"),
        ("mqtt://h/a/+/b", "its topic holds"),
        ("mqtt://h/t?qos=3", "qos=3 is out of range"),
        ("mqtt://h/t#qos=1", r"options follow a \?"),
    ],
)
def test_what_makes_no_sense_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_destination(text, top=3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"ftp://me:{HIDDEN}@h/",
        f"mqtt://me:{HIDDEN}#@h/t",
        f"mqtt://me:{HIDDEN}/@h/t",
        f"mqtt://me:1{HIDDEN}?@h/t",
        f"http://me:80#{HIDDEN}@h/",
        f"http://me:80#{HIDDEN}=1@h/",
        f"mqtt://me:80?{HIDDEN}@h/",
        f"https://me:{HIDDEN}@h/#nonsense=1",
        f"https://me:{HIDDEN}@h:port/",
        f"https://me:{HIDDEN}@[h/",
        f"https://me:{HIDDEN}@h\u2100/",
        f"mqtt://me:{HIDDEN}@h/?nonsense=1",
        f"mqtt:me:{HIDDEN}@h",
    ],
)
def test_no_error_shows_a_password(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_destination(text, top=3)
    assert HIDDEN not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "name", "package"), [("https://h/", "webhook", "aiohttp"), ("mqtt://h", "mqtt", "paho-mqtt")]
)
def test_a_missing_package_is_told_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, text: str, name: str, package: str
) -> None:
    def version(distribution: str) -> str:
        raise metadata.PackageNotFoundError(distribution)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(MissingDependencyError) as caught:
        parse_destination(text, top=1)
    assert str(caught.value) == f"output {name}: needs {package}; run: pip install 'pptsn[{name}]'"
    parse_destination("x.jsonl", top=1)


def test_help_and_errors_list_the_kinds_with_their_options() -> None:
    text = outputs_help()
    assert text.startswith("FILE.jsonl, FILE.ndjson (JSON, a line a message; ?only=, rotate=, keep=), - (")
    assert (
        "FILE.mp4, FILE.ts, FILE.mkv (annotated video; {stream} in its name is the stream's name; ?font=)" in text
    )
    assert "https://... (a webhook: JSON by POST; #only=, timeout=, tries=)" in text


def test_no_representation_shows_credentials() -> None:
    address, _ = WebhookKind("webhook").address_of(f"https://{HIDDEN}:{HIDDEN}@h/x?token={HIDDEN}#tries=2")
    assert address.password == HIDDEN
    assert HIDDEN not in repr(address)
    assert HIDDEN not in repr(broker(f"mqtt://me:{HIDDEN}@h/"))
