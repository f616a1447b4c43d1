"""Variables of the environment in addresses: their values reach the server, and nobody else."""

from __future__ import annotations

import base64
import json
import pickle
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from pptsn.cli.unexpected import told_and_reported
from pptsn.runtime.base.errors import InputError, PptsnError, UsageError
from pptsn.runtime.classify.source_lists import list_entries
from pptsn.runtime.credentials.variables import filled
from pptsn.runtime.stream.sinks.mqtt import MqttSink
from pptsn.runtime.stream.sinks.registry import parse_destination
from pptsn.runtime.stream.sinks.webhook import WebhookSink
from pptsn.runtime.stream.sources.base import SourceUri
from pptsn.runtime.stream.sources.registry import kind_of
from pptsn.runtime.stream.sources.uri import expand_stream_sources, parse_source
from tests.clips import write_clip
from tests.models import write_tiny_model
from tests.runtime.stream.sources.servers import WebServer, content, guarded

# What would be several things to an URL, a query, a shell and a pipeline.
VALUE = "s3s@me/?#:%41 &+!'"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM1", VALUE)
    monkeypatch.setenv("LOGIN", "admin:s3same")
    monkeypatch.setenv("REST", "admin:s3same@camera.example:554/live1?x=1")
    monkeypatch.setenv("HOST", "camera.example")
    monkeypatch.setenv("EMPTY", "")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("rtsp://h/x", "rtsp://h/x"),
        ("rtsp://a:${CAM1}@h/", "rtsp://a:s3s%40me%2F%3F%23:%2541%20%26%2B%21%27@h/"),
        ("rtsp://${LOGIN}@${HOST}:554/x", "rtsp://admin:s3same@camera.example:554/x"),
        ("rtsp://${REST}", "rtsp://admin:s3same@camera.example:554/live1?x=1"),
        ("http://h/x?a=${CAM1}&b=${HOST}", "http://h/x?a=s3s%40me%2F%3F%23%3A%2541%20%26%2B%21%27&b=camera.example"),
        ("http://h/${HOST}/$HOST/$", "http://h/camera.example/$HOST/$"),
    ],
)  # fmt: skip
def test_a_value_is_taken_literally_where_it_stands(text: str, whole: str) -> None:
    assert filled(text).text == whole
    assert "s3s" not in repr(filled(text))


@pytest.mark.parametrize(
    ("name", "cause"), [("GONE", "is not set"), ("EMPTY", "is empty"), ("a-b", "no name"), ("", "no name")]
)
@pytest.mark.parametrize("address", ["rtsp://u:{}@h/", "gst:a b={} ! c", "https://h/{}", "mqtt://u:{}@h"])
def test_a_variable_without_a_value_is_named(address: str, name: str, cause: str) -> None:
    text = address.replace("{}", f"${{{name}}}")
    with pytest.raises(UsageError, match=cause) as refused:
        parse_source(text) if address[0] in "rg" else parse_destination(text, top=1)
    assert str(refused.value).startswith(f"${{{name}}}: ")


@pytest.mark.parametrize("name", ["HOST", "CAM1", "EMPTY", "GONE", ""])
@pytest.mark.parametrize(
    "text",
    [
        "rtsp://h/x?{}",
        "http://h/x?a=${HOST}&{}",
        "RTMP://h/x?{}&b=1#c",
        "gst[{}]:videotestsrc",
        "synthetic:?{}",
        "stdin:?{}",
        "clip.mp4?{}",
    ],
)
def test_options_take_no_variable_set_or_not(text: str, name: str) -> None:
    for option in ("name", "timeout") if text[:2] in ("rt", "ht", "RT", "gs") else ("name",):
        written = f"{option}=${{{name}}}"
        with pytest.raises(UsageError, match="variables of the environment are not filled in here") as refused:
            parse_source(text.replace("{}", written))
        assert f"got {written}; write the value itself" in str(refused.value)
        assert "s3s" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["mqtt://h/t?qos=${GONE}", "https://h/x?a=${HOST}#tries=${HOST}", "x.csv?keep=${X}"]
)
def test_options_of_outputs_take_none_either(text: str) -> None:
    with pytest.raises(UsageError, match="variables of the environment are not filled in here"):
        parse_destination(text, top=1)


def test_an_option_may_hold_what_looks_like_a_variable() -> None:
    assert parse_source("rtsp://h/x?name=%24{HOST}").options.name == "${HOST}"


@pytest.mark.parametrize(
    "form",
    [
        "rtsp://{}@h/p",
        "rtsp://{}:w@h/p",
        "rtsp://u:{}@h/p",
        "rtsp://{}:{}@h/p?{}",
        "http://h/p?k={}",
        "http://h/p?k={}&l={}",
        "http://u:{}@h/p?server.name={}",
    ],
)
def test_any_value_stands_in_any_part_of_an_address_as_often_as_it_is_named(form: str) -> None:
    uri = parse_source(form.replace("{}", "${CAM1}"))
    info, at, rest = form.rpartition("@")
    expected = info.replace("{}", quote(VALUE, safe=":")) + at + rest.replace("{}", quote(VALUE, safe=""))
    assert uri.target == expected.replace("server.", "")
    assert "s3s" not in uri.display


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://u:${CAM1}@h/x?name=door",
        "RTSP://${REST}",
        "http://${HOST}/live?token=${CAM1}&timeout=3",
        "rtmp://h/${HOST}/x",
        "gst[timeout=5]:rtspsrc location=rtsp://u:${CAM1}@h user-pw=${CAM1} ! x",
    ],
)
def test_a_source_is_shown_without_its_values(text: str) -> None:
    uri = parse_source(text)
    assert "${" not in uri.target
    shown = f"{uri!r} {uri.display} {kind_of(uri).stream_name(uri)}"
    assert not [value for value in ("s3s", "camera.example", "live1") if value in shown]
    assert any(value.startswith(("s3s", "camera")) for value in kind_of(uri).secrets(uri))
    assert pickle.loads(pickle.dumps(uri)) == uri


def test_a_value_stays_within_its_word_of_a_pipeline() -> None:
    uri = parse_source("gst:rtspsrc user-pw=${CAM1} ! 'a  b' ! x")
    assert shlex.split(uri.target) == ["rtspsrc", f"user-pw={VALUE}", "!", "a  b", "!", "x"]


def test_the_names_of_files_keep_what_looks_like_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("${CAM1}.mp4").touch()
    assert parse_source("${CAM1}.mp4").target == "${CAM1}.mp4"
    assert parse_source("./${CAM1}").target == "./${CAM1}"
    with pytest.raises(UsageError, match="not for its beginning; write rtsp://"):
        parse_source("${CAM1}")


def test_a_webhook_gets_the_values_and_does_not_show_them() -> None:
    sink = parse_destination("https://u:${CAM1}@${HOST}/a/${HOST}?k=${CAM1}#only=events", top=1)
    sink = getattr(sink, "sink", sink)
    assert isinstance(sink, WebhookSink)
    assert sink._url.startswith("https://camera.example/a/camera.example?k=s3s%40me")
    login = base64.b64decode(sink._headers["Authorization"].split()[1]).decode()
    assert login == f"u:{VALUE}"
    assert sink.name == "https://${HOST}"


@pytest.mark.parametrize("rest", ["", "/", "/sesame", "?token=sesame", "?a=/sesame", "#tries=1"])
def test_a_webhook_is_called_by_its_host_alone(rest: str) -> None:
    sink = parse_destination(f"https://u:${{CAM1}}@${{HOST}}:81{rest}", top=1)
    assert getattr(sink, "sink", sink).name == "https://${HOST}:81"


def test_a_broker_gets_the_values_and_does_not_show_them() -> None:
    sink = parse_destination("mqtt://u:${CAM1}@${HOST}/top?qos=2", top=1)
    assert isinstance(sink, MqttSink)
    broker = sink._broker
    assert (broker.host, broker.user, broker.password, broker.qos) == ("camera.example", "u", VALUE, 2)
    assert sink.name == "mqtt://***:1883/top"
    assert "camera" not in str(sink._error("camera.example is away"))


def listed(path: Path) -> tuple[list[SourceUri | InputError], list[str]]:
    said: list[str] = []
    return expand_stream_sources([f"@{path}"], note=said.append), said


def test_lists_hold_variables_too(tmp_path: Path) -> None:
    path = tmp_path / "cameras.txt"
    path.write_text("rtsp://u:${CAM1}@h/1\nrtsp://u:${GONE}@h/2\n")
    path.chmod(0o644)
    (first, second), said = listed(path)
    assert isinstance(first, SourceUri)
    assert "s3s" in first.target
    assert str(second).startswith(f"@{path}:2: ${{GONE}}: this variable of the environment is not set; ")
    assert said == []  # there is no password in the file


@pytest.mark.parametrize(("mode", "told"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o666, 1)])
def test_a_list_of_passwords_that_others_can_read_is_told(tmp_path: Path, mode: int, told: int) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("---\n# all\n- rtsp://u:sesame@h/1\n- 'http://h/a?token=it''s#1'  # the door\n- \"0\"\n")
    path.chmod(mode)
    sources, said = listed(path)
    assert [uri.target for uri in sources if isinstance(uri, SourceUri)] == [
        "rtsp://u:sesame@h/1", "http://h/a?token=it's#1", "/dev/video0",
    ]  # fmt: skip
    assert len(said) == told
    assert f"(mode {mode:o}); chmod 600 " in "".join(said) or not told
    assert "sesame" not in "".join(said)


def test_a_yaml_file_that_is_no_list_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yml"
    path.write_text("- 0\ncameras: rtsp://u:sesame@h/1\n")
    (error,), _ = listed(path)
    remedy = "expected lines of the form - SOURCE, in quotes where it has signs of YAML's"
    assert str(error) == f"@{path}:2: is no item of a list; {remedy}"


def test_a_line_of_any_number_of_blanks_is_read_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "cameras.yaml"
    blanks = " " * 200_000
    path.write_text(f"- a{blanks}b.mp4{blanks}# the {blanks} door\n")
    assert list_entries(path) == [(1, f"a{blanks}b.mp4")]


def test_the_report_of_what_nobody_foresaw_holds_no_value() -> None:
    filled("rtsp://u:${CAM1}@h/")
    line = told_and_reported(RuntimeError(f"cannot log in with {VALUE}"))
    assert "s3s" not in line
    assert "cannot log in with ***" in line
    assert VALUE not in Path(line.rpartition("with ")[2]).read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_proxy", "http://u:hunter22@proxy:1"),
        ("HTTPS_PROXY", "u:hunter22@proxy"),
        ("all_proxy", "socks5://hunter22@proxy"),
        ("PPTSN_HTTP_TOKEN", "hunter22"),
    ],
)
def test_the_report_holds_no_password_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    line = told_and_reported(RuntimeError("nonnumeric port: 'hunter22'"))
    assert "hunter22" not in line
    assert "hunter22" not in Path(line.rpartition("with ")[2]).read_text()


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[WebServer]:
    clip = write_clip(tmp_path / "clip.mp4", frames=24).read_bytes()
    basic = f"Basic {base64.b64encode(f'admin:{VALUE}'.encode()).decode()}"
    server = WebServer(tmp_path, {"/v.mp4": guarded(basic, content("video/mp4", clip))})
    yield server
    server.close()


def test_a_run_shows_no_value_wherever_it_writes(run, camera: WebServer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model, out = write_tiny_model(tmp_path / "model.onnx"), tmp_path / "out.jsonl"
    addresses = [f"http://admin:${{CAM1}}@{camera.host}/v.mp4", f"http://admin:${{LOGIN}}@{camera.host}/v.mp4"]
    hook = f"http://u:${{CAM1}}@{camera.host}/hook#only=predictions&tries=1"
    ending = run("stream", *addresses, "--model", model, "-o", out, "-o", hook, "--max-retries", 0)
    messages = [json.loads(line) for line in out.read_text().splitlines()]
    assert {message["type"] for message in messages} == {"prediction", "notice"}
    assert "wrong user name or password (401)" in ending.err
    assert "s3s" not in ending.out + ending.err + out.read_text()
    assert "holds a password" not in ending.err


def test_passwords_in_arguments_are_advised_against(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = write_tiny_model(tmp_path / "model.onnx")
    hook = "http://u:sesame@127.0.0.1:1/#tries=1"
    ending = run("stream", "synthetic:?frames=3", "--model", model, "-o", hook)
    assert "note: 1 argument holds a password, and `ps` shows it to all; write ${NAME} in its place" in ending.err
    assert "sesame" not in ending.err


@pytest.mark.parametrize("argument", [True, False])
def test_the_token_of_the_page_is_one_of_them(run, argument: bool, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    word = "sesame-sesame-sesame"
    if not argument:
        monkeypatch.setenv("PPTSN_HTTP_TOKEN", word)
    given = ["--http-token", word] if argument else []
    model = write_tiny_model(tmp_path / "model.onnx")
    ending = run("stream", "synthetic:?frames=3", "--model", model, *given)
    assert ("note: --http-token is a password, and `ps` shows it to all; set PPTSN" in ending.err) == argument
    assert word not in ending.err


def test_a_token_of_the_environment_that_is_empty_is_refused(run, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Else all of the machine could read the page, though a token was meant; `--http-token ""` is as wrong."""
    monkeypatch.setenv("PPTSN_HTTP_TOKEN", "")
    asked = ["stream", "synthetic:?frames=3", "--model", write_tiny_model(tmp_path / "model.onnx")]
    ending = run(*asked, "--http", "127.0.0.1:0")
    assert (ending.code, ending.err.count("\n")) == (2, 1)
    assert "PPTSN_HTTP_TOKEN: is empty; " in ending.err
    assert run(*asked).code == 0


def test_no_password_is_asked_of_a_plain_error() -> None:
    with pytest.raises(PptsnError, match=r"https://\$\{HOST\}: unknown option"):
        parse_destination("https://${HOST}/#colour=1", top=1)
