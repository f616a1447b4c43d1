"""What servers do with a question for a file, and what is said of it: one line, without credentials."""

import errno
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.base.errors import INTERRUPTED, InputError
from pptsn.runtime.video.faults import StoppedError
from pptsn.runtime.video.reader import VideoReader
from pptsn.runtime.video.web import content, exchange
from pptsn.runtime.video.web.address import WebFile, web_file
from pptsn.runtime.video.web.content import WebContent
from pptsn.runtime.video.web.exchange import Server
from pptsn.runtime.video.web.kept import BLOCK, Kept
from pptsn.runtime.video.web.proxies import check_proxy
from tests.clips import X264, write_clip
from tests.models import write_tiny_model
from tests.runtime.stream.sources.servers import (
    WebServer,
    guarded,
    motion_jpeg,
    silence,
    silence_after_header,
    status,
)
from tests.runtime.stream.sources.servers import content as sends
from tests.runtime.video.web.parts import Parts, redirect
from tests.servers import self_signed_certificate

Serve = Callable[..., str]
USER = "user:sesame@"
BASIC = "Basic dXNlcjpzZXNhbWU="  # user:sesame
PAGE = b"<!DOCTYPE html><html><body>" + b"Welcome " * 500


@pytest.fixture(scope="module")
def matroska(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("matroska") / "clip.mkv", frames=240, options=X264)


def error_of(url: str) -> str:
    """Return what is said of the file at `url`, without its address, having found no password in it."""
    with pytest.raises(InputError) as caught, VideoReader(web_file(url)):
        pass
    line = str(caught.value)
    assert "sesame" not in line
    assert "\n" not in line
    assert caught.value.thing == str(web_file(url))
    return line.removeprefix(f"{caught.value.thing}: ")


def frames_in(url: str) -> int:
    with VideoReader(web_file(url)) as video:
        return video.frame_count()


@pytest.mark.parametrize(
    ("route", "cause"),
    [
        (status(400), "the server does not understand the request (400)"),
        (status(401), "asks for a user name and password (401)"),
        (status(403), "the server forbids it (403)"),
        (status(404), "the server has no such file (404)"),
        (status(410), "the server refuses the request (410)"),
        (status(500), "the server failed (500)"),
        (status(503), "the server failed (503)"),
        (sends("text/html", PAGE), "sends a web page (HTML), expected video"),
        (sends("application/json", b'{"cameras": []}'), "sends JSON, expected video"),
        (sends("text/plain", b"welcome\n" * 100), "sends text, expected video"),
        (sends("video/mp4", b"welcome\n" * 100), "is a text file, expected a video"),
        (sends("video/mp4", b""), "is empty (0 bytes)"),
        (sends("video/mp4", bytes(range(256)) * 40), "is not a video that can be opened"),
        (sends("application/vnd.apple.mpegurl", b"#EXTM3U\n"), "is a playlist of HLS, which opens other files"),
        (motion_jpeg(pictures=3), "is a camera's: its pictures have no end; use `pptsn stream`"),
        (Parts(b""), "is empty (0 bytes)"),
        (Parts(PAGE, headers={"Content-Type": "text/html"}), "sends a web page (HTML), expected video"),
        (Parts(b"x", headers={"Content-Encoding": "gzip"}), "is sent in a coding that was not asked for"),
        (Parts(b"xy", headers={"Content-Range": "bytes 1-1/2"}), "the server sends other bytes than were asked"),
        (Parts(b"x", headers={"Content-Range": "bytes 0-0/*"}), "the server sends a part, and not how large the"),
    ],
)
def test_each_refusal_has_its_own_words(serve: Serve, route: Any, cause: str) -> None:
    assert error_of(serve(route)).startswith(cause)


@pytest.mark.parametrize(
    ("kind", "body", "cause"),
    [
        (
            "video/mp2t",
            b"\x47" * 1000,
            "has no length and no video's name, as a camera's pictures; use `pptsn stream`",
        ),
        ("text/html", PAGE, "sends a web page (HTML), expected video"),
    ],
)
@pytest.mark.parametrize("name", ["live", "live.ts", "live.mjpeg"])
def test_what_has_neither_a_length_nor_a_file_s_name_is_not_read_on(
    serve: Serve, name: str, kind: str, body: bytes, cause: str
) -> None:
    parts = Parts(body, ranges=False, states_length=False, headers={"Content-Type": kind})
    assert error_of(serve(parts, name=name)).startswith(cause)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:1/a.mp4", "connection refused"),
        ("http://no-such-host.invalid/a.mp4", "there is no host of that name"),
    ],
)
def test_a_server_that_is_not_there_is_called_so(monkeypatch: pytest.MonkeyPatch, url: str, cause: str) -> None:
    monkeypatch.setenv("no_proxy", "*")
    assert error_of(url).startswith(cause)


def test_a_password_goes_to_who_asks_for_it_alone(serve: Serve, web_clip: Path) -> None:
    parts = Parts(web_clip.read_bytes())
    assert frames_in(serve(guarded(BASIC, parts), user=USER)) == 240
    assert error_of(serve(guarded(BASIC, parts), user="user:wrong@")).startswith(
        "wrong user name or password (401)"
    )
    assert error_of(serve(guarded(BASIC, parts))).startswith("asks for a user name and password (401)")
    server = WebServer(web_clip.parent, {"/open.mp4": parts, "/other.mp4": guarded(BASIC, parts)})
    try:
        assert frames_in(f"http://{USER}{server.host}/open.mp4") == 240
        assert {authorization for _, authorization in server.requests} == {""}
        moved = serve(redirect(f"http://{server.host}/other.mp4"), user=USER)
        assert error_of(moved).startswith("wrong user name or password (401)")
        assert {authorization for _, authorization in server.requests} == {""}, "another host got the password"
    finally:
        server.close()


def test_a_redirect_is_followed_once_and_remembered(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_FIRST", BLOCK)
    parts = Parts(web_clip.read_bytes())
    server = WebServer(web_clip.parent, {"/old.mp4": redirect(serve(parts))})
    try:
        assert frames_in(f"http://{server.host}/old.mp4") == 240
        assert len(server.requests) == 1
        assert len(parts.asked) > 1
    finally:
        server.close()


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp4", "gopher://127.0.0.1/", "data:,x"]
)
def test_a_redirect_leads_to_no_other_protocol(serve: Serve, target: str) -> None:
    assert error_of(serve(redirect(target))).startswith("redirects in a circle, or to what is no address of HTTP")


def test_a_redirect_with_user_info_is_followed_without(web_clip: Path, serve: Serve) -> None:
    server = WebServer(web_clip.parent, {"/new.mp4": Parts(web_clip.read_bytes())})
    try:
        assert frames_in(serve(redirect(f"http://user:sesame@{server.host}/new.mp4"))) == 240
        assert {authorization for _, authorization in server.requests} == {""}
    finally:
        server.close()


def test_a_redirect_in_a_circle_ends(serve: Serve) -> None:
    assert error_of(serve(redirect("clip.mp4"))).startswith("redirects in a circle")


@pytest.mark.parametrize(("target", "followed"), [("https://other/a.mp4", True), ("http://other/a.mp4", False)])
def test_a_redirect_never_leads_away_from_tls(target: str, followed: bool) -> None:
    server = Server(WebFile("https://host/a.mp4", "https://host/a.mp4"))
    (handler,) = (each for each in server._opener.handlers if isinstance(each, exchange._Redirects))
    question = urllib.request.Request("https://host/a.mp4")
    if followed:
        asked = handler.redirect_request(question, None, 302, "", Message(), target)  # type: ignore[arg-type]
        assert asked is not None
        assert asked.full_url == target
        return
    with pytest.raises(InputError, match="redirects from https to http"):
        handler.redirect_request(question, None, 302, "", Message(), target)  # type: ignore[arg-type]


@pytest.mark.parametrize("trusted", [False, True])
def test_a_certificate_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web_clip: Path, trusted: bool
) -> None:
    certificate, key = self_signed_certificate(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = WebServer(tmp_path, {"/clip.mp4": Parts(web_clip.read_bytes())})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    try:
        if trusted:
            assert frames_in(f"https://{server.host}/clip.mp4") == 240
        else:
            assert error_of(f"https://{server.host}/clip.mp4").startswith(
                "the server's certificate cannot be trusted ("
            )
    finally:
        server.close()


@pytest.mark.parametrize("cut", [0, 1, 5000, 100_000])
@pytest.mark.parametrize("broken", range(4))
@pytest.mark.parametrize("reset", [False, True])
def test_a_part_whose_connection_breaks_off_is_asked_for_again(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch, cut: int, broken: int, reset: bool
) -> None:
    monkeypatch.setattr(content, "_PAUSE_S", 0.0)
    data = web_clip.read_bytes() + bytes(2_000_000)  # something behind the index
    parts = Parts(data, reset=reset)
    with WebContent(web_file(serve(parts))) as file, file() as opened:
        parts.asked.clear()
        parts.cut = lambda number: cut if number < broken else None
        opened.seek(-1_000_000, os.SEEK_END)
        if broken < 3 or cut == 100_000:  # which is more than is asked for
            assert opened.read(60_000) == bytes(60_000)
            return
        with pytest.raises(InputError, match=rf"connection .* of {len(data)} bytes; try again"):
            opened.read(60_000)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("reset", [False, True])
def test_a_file_that_ends_early_on_its_way_is_an_error(
    serve: Serve, web_clip: Path, share: float, reset: bool
) -> None:
    data = web_clip.read_bytes()
    cut = int(share * len(data))
    line = error_of(serve(Parts(data, ranges=False, reset=reset, cut=lambda _: cut)))
    assert "connection" in line
    assert reset or line.startswith(f"the server ended the connection after {cut} bytes")


def test_a_server_that_breaks_off_each_answer_is_given_up(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "_PAUSE_S", 0.0)
    parts = Parts(web_clip.read_bytes(), cut=lambda _: 1000)
    assert error_of(serve(parts)).startswith("the server ended the connection after ")
    assert len(parts.asked) <= 4


@pytest.mark.parametrize("route", [silence, silence_after_header])
def test_a_silent_server_is_left_after_a_while(serve: Serve, monkeypatch: pytest.MonkeyPatch, route: Any) -> None:
    monkeypatch.setattr(exchange, "READ_TIMEOUT_S", 0.2)
    assert error_of(serve(route)).startswith("sent nothing for 0.2 s; check the host")


def test_a_server_that_sends_drops_is_left_after_a_while(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr("tests.runtime.video.web.parts._PIECE", 100)
    line = error_of(serve(Parts(web_clip.read_bytes(), pause_s=0.05)))
    assert "bytes in 0.2 s, which is too slow" in line


def test_who_waits_for_a_server_can_be_stopped(serve: Serve, web_clip: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    begin_s = time.monotonic()
    with pytest.raises(StoppedError):
        WebContent(web_file(serve(Parts(web_clip.read_bytes(), pause_s=0.3))), stop=stop)
    assert time.monotonic() - begin_s < 20


@pytest.mark.parametrize("change", ["version", "size", "ranges"])
def test_a_file_that_changes_while_it_is_read_is_an_error(serve: Serve, web_clip: Path, change: str) -> None:
    parts = Parts(web_clip.read_bytes() + bytes(1 << 20), headers={"ETag": "1"})
    with WebContent(web_file(serve(parts))) as file:
        parts.headers = {"ETag": "2" if change == "version" else "1"}
        parts.data += bytes(change == "size")
        parts.ranges = change != "ranges"
        with file() as opened, pytest.raises(InputError, match=r"changed on the server|sends parts of it no more"):
            opened.seek(-100_000, os.SEEK_END)
            opened.read(1)


def test_an_error_comes_once_from_what_ffmpeg_reads(serve: Serve, web_clip: Path) -> None:
    """It asks again and again, and PyAV prints what it cannot tell any more."""
    parts = Parts(web_clip.read_bytes() + bytes(1 << 20), headers={"ETag": "1"})
    with WebContent(web_file(serve(parts))) as file:
        parts.headers = {"ETag": "2"}
        cursor = file.cursor()
        cursor.seek(-100_000, os.SEEK_END)
        with pytest.raises(InputError, match="changed on the server"):
            cursor.read(1)
        assert cursor.read(1) == b""


@pytest.mark.parametrize(
    ("kind", "ranges", "why", "questions"),
    [
        ("web_clip", True, "; ", 3),  # the last for its first packet
        ("web_clip", False, ", as it comes from a server that sends no parts; ", 1),
        ("matroska", True, ", as it has no table of its frames; ", 1),
    ],
)
def test_more_than_may_be_kept_is_not_read(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    kind: str,
    ranges: bool,
    why: str,
    questions: int,
) -> None:
    monkeypatch.setattr(content, "_MOST_KEPT", 20_000)
    monkeypatch.setattr(content, "_FIRST", BLOCK)
    clip: Path = request.getfixturevalue(kind)
    parts = Parts(clip.read_bytes(), ranges=ranges)
    line = error_of(serve(parts, name=clip.name))
    assert line == f"more than 0.0 MB of it would have to be read{why}download it first"
    assert len(parts.asked) == questions, "it was read until it was too much"


@pytest.mark.parametrize("fails", ["os.pwrite", "tempfile.TemporaryFile"])
def test_a_full_disk_is_an_error_of_the_place_of_temporary_files(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"pptsn.runtime.video.web.kept.{fails}", full)
    assert "(no space left on device); name a folder with more room in TMPDIR" in error_of(
        serve(Parts(web_clip.read_bytes()))
    )


def test_what_was_fetched_of_a_file_is_forgotten_when_it_is_closed_or_refused(
    serve: Serve, web_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Kept] = []

    class Seen(Kept):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(content, "Kept", Seen)
    with VideoReader(web_file(serve(Parts(web_clip.read_bytes())))) as video:
        assert not made[0]._store.closed
        video.close()
    error_of(serve(status(404)))
    error_of(serve(Parts(b"no video at all" * 100)))
    assert [kept._store.closed for kept in made] == [True] * 3


@pytest.mark.parametrize("most", [100, BLOCK, 10_000, 100_000])
def test_a_server_may_send_less_than_it_is_asked_for(serve: Serve, web_clip: Path, most: int) -> None:
    url = serve(Parts(web_clip.read_bytes(), most=most))
    if most < BLOCK:
        assert error_of(url).startswith("its server sends parts that are too small")
    else:
        assert frames_in(url) == 240


@pytest.mark.parametrize("kind", ["web_clip", "matroska"])
@pytest.mark.parametrize("fails_at", [0, 1, 2, 3, 5, 8])
def test_a_server_that_fails_on_the_way_is_told_once(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    fails_at: int,
) -> None:
    """Whoever reads then: FFmpeg asks again after an error, and PyAV prints those that it cannot raise."""
    monkeypatch.setattr(content, "_FIRST", BLOCK)
    monkeypatch.setattr(content, "_LEAST", BLOCK)
    monkeypatch.setattr(content, "_MOST", BLOCK)
    clip: Path = request.getfixturevalue(kind)
    url = serve(Parts(clip.read_bytes(), fails_at=fails_at), name=clip.name)
    with pytest.raises(InputError, match=r"the server failed \(500\)"), VideoReader(web_file(url)) as video:
        video.read(range(0, 240, 12))
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("decoders", ["0", "2"])
def test_ctrl_c_ends_the_wait_for_a_silent_server(serve: Serve, tmp_path: Path, decoders: str) -> None:
    asked = threading.Event()

    def answer(handler: Any) -> None:
        asked.set()
        silence(handler)

    model = write_tiny_model(tmp_path / "m.onnx")
    command = [sys.executable, "-m", "pptsn", "classify", *[serve(answer)] * 3, "--model", str(model)]
    with subprocess.Popen([*command, "--decoders", decoders], stderr=subprocess.PIPE, text=True) as run:
        assert asked.wait(60)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=20)
    assert run.returncode == INTERRUPTED
    assert said.splitlines()[-1].startswith("pptsn: stopped")


@pytest.mark.parametrize("through", [False, True])
def test_where_a_proxy_asks_the_error_names_it(monkeypatch: pytest.MonkeyPatch, through: bool) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if through:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    line = error_of("http://127.0.0.1:1/a.mp4")
    assert line.startswith("connection refused; ")
    assert line.endswith(", and the proxy that http_proxy names") is through


def asking(*ways: str, then: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a route that asks for one of `ways` to log in, and does what `then` does for who does."""

    def answer(handler: Any) -> None:
        if handler.headers.get("Authorization", "").partition(" ")[0] in ("Basic", "Digest"):
            then(handler)
            return
        handler.send_response(401)
        for way in ways:
            handler.send_header("WWW-Authenticate", way)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


DIGEST = 'Digest realm="camera", nonce="1", qop="auth"'


@pytest.mark.parametrize(
    "ways",
    [
        ["Basic realm=camera"],
        ["Negotiate", "NTLM", 'Basic realm="camera"'],
        ["Negotiate", DIGEST],
        ['Basic realm="camera"', DIGEST, "Bearer"],
        ['Digest realm="camera", nonce="1", algorithm=NEW', 'Basic realm="camera"'],
        ["Digest", 'Basic realm="camera"'],
        [DIGEST],
        ['Negotiate, NTLM, Basic realm="a, b"'],
        [f"Negotiate, {DIGEST}"],
        [f'Basic realm = "camera" , {DIGEST}, Bearer'],
    ],
)
@pytest.mark.filterwarnings("error")
def test_of_several_ways_to_log_in_a_known_one_is_taken(serve: Serve, web_clip: Path, ways: list[str]) -> None:
    route = asking(*ways, then=sends("video/mp4", web_clip.read_bytes()))
    assert frames_in(serve(route, user=USER)) == 240


@pytest.mark.parametrize("ways", [["Negotiate"], ["NTLM", "Bearer x"], ['Negotiate YQ==, Bearer realm="Basic a"']])
@pytest.mark.parametrize("user", ["", USER])
def test_a_server_that_offers_no_known_way_to_log_in_is_told(serve: Serve, ways: list[str], user: str) -> None:
    route = asking(*ways, then=status(500))
    cause = "asks for a way to log in that is not known here (401); download it first"
    assert error_of(serve(route, user=user)) == cause


@pytest.mark.parametrize(
    "way", ["Digest", 'Digest realm="a", nonce="b", algorithm=NEW', "Digest ,=,", DIGEST[:20]]
)
def test_a_challenge_that_makes_no_sense_is_one_line(serve: Serve, way: str) -> None:
    assert "(401)" in error_of(serve(asking(way, then=status(401)), user=USER))


@pytest.mark.parametrize("digits", [5, 20, 21, 5000])
def test_a_length_of_any_number_of_digits_is_no_word_about_integers(serve: Serve, digits: int) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-99/{'9' * digits}")
        handler.send_header("Content-Length", "9" * digits)
        handler.end_headers()
        handler.wfile.write(bytes(100))

    assert "integer" not in error_of(serve(answer))


# A password in each, of which nothing may be told.
WRONG_PROXIES = [
    "not a proxy s3cret",
    "http://",
    "http://u:s3cret@",
    "http://u:s3cret@[::1",
    "http://u:s3cret@127.0.0.1:port",
    "http://u:s3cret@127.0.0.1:70000",
    "http://u:s3cret@127.0.0.1:0",
    "http://u:s3\tcret@127.0.0.1:1",
    "ftp://u:s3cret@127.0.0.1:1",
    "file:///etc/s3cret",
]


@pytest.mark.parametrize("proxy", WRONG_PROXIES)
def test_a_proxy_that_makes_no_sense_is_told_by_its_variable_alone(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    assert error_of("http://127.0.0.1:1/a.mp4").startswith("http_proxy names no proxy; ")
    with pytest.raises(InputError) as caught:
        check_proxy("the file", "http://127.0.0.1:1/a.mp4")
    assert (
        str(caught.value) == "the file: http_proxy names no proxy; expected http_proxy=http://HOST:PORT, or none"
    )
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    check_proxy("the file", "http://127.0.0.1:1/a.mp4")


@pytest.mark.parametrize(
    "proxy",
    ["127.0.0.1:1", "http://127.0.0.1:1/", "http://u:p%40w@[::1]:1", "https://u@localhost", "HTTP://a.b", ""],
)
def test_proxies_are_taken_as_they_are_written(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    check_proxy("the file", "http://10.0.0.1/a.mp4")
