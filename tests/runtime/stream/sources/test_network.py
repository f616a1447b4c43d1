from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources import network
from pptsn.runtime.stream.sources.network import HttpKind
from tests.clips import write_clip
from tests.runtime.stream.sources.looking import frames_and_error, opened, times
from tests.runtime.stream.sources.servers import (
    WebServer,
    answering_server,
    content,
    guarded,
    motion_jpeg,
    silence,
    silence_after_header,
    status,
    still,
    unfinished,
    write_playlist,
)

SECRET = "sesame"  # noqa: S105
BASIC = "Basic dXNlcjpzZXNhbWU="  # user:sesame
PAGE = content("text/html", b"<!DOCTYPE html><html><body>" + b"Welcome " * 500)

ROUTES = {
    **{f"/{code}": status(code) for code in (400, 401, 403, 404, 410, 500)},
    "/page": PAGE,
    "/guarded": guarded(BASIC, motion_jpeg(pictures=3)),
    "/guarded/page": guarded(BASIC, PAGE),
    "/api": content("application/json", b'{"cameras": []}'),
    "/text": content("text/plain", b"welcome\n" * 100),
    "/nothing": content("video/mp4", b""),
    "/noise": content("video/mp4", bytes(range(256)) * 40),
    "/silent": silence,
    "/promise": silence_after_header,
    "/camera": motion_jpeg(pictures=8, pause_s=0.1),
    "/stalls": motion_jpeg(pictures=5, then=still),
    "/list.m3u8": content("application/vnd.apple.mpegurl", b"#EXTM3U\n#EXT-X-ENDLIST\n"),
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("web")
    clip = write_clip(folder / "clip.mp4", frames=30)
    write_clip(folder / "clip.ts", frames=30)
    write_playlist(clip, folder / "clip.m3u8")
    data = (folder / "clip.ts").read_bytes()
    server = WebServer(folder, {**ROUTES, "/half.ts": unfinished("video/mp2t", data[: len(data) // 2])})
    yield server
    server.close()


def refusal(text: str) -> str:
    """Return what opening `text` is refused with; it never shows the password."""
    with pytest.raises(InputError) as raised:
        opened(text)
    assert SECRET not in repr(raised.value)
    assert raised.value.__cause__ is None  # FFmpeg's own message holds the URL
    return str(raised.value)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("401", "wrong user name or password (401)"),
        ("400", "the server does not understand the request (400)"),
        ("403", "the server forbids it (403)"),
        ("404", "the server has no such stream (404)"),
        ("absent.mp4", "the server has no such stream (404)"),
        ("410", "the server refuses the request (4xx)"),
        ("500", "the server failed (5xx)"),
        ("page", "sends a web page (HTML), expected video"),
        ("api", "sends JSON, expected video"),
        ("text", "sends text, expected video"),
        ("nothing", "sends nothing, expected video"),
        ("noise", "holds no video that can be read"),
        ("silent", "timed out after 1 s"),
        ("promise", "timed out after 1 s"),
    ],
)
def test_each_refusal_of_a_web_server_has_its_own_words(web: WebServer, path: str, cause: str):
    begin_s = time.monotonic()
    assert refusal(f"http://user:{SECRET}@{web.host}/{path}").startswith(f"http://{web.host}/{path}: {cause};")
    assert time.monotonic() - begin_s < 4


def test_a_server_that_wants_a_password_is_told_from_one_that_refuses_it(web: WebServer):
    assert "asks for a user name and password (401); write http://USER:PASSWORD@HOST" in refusal(
        f"http://{web.host}/401"
    )


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp", "HTTP", "Rtsp", "RTMP"])
def test_a_port_where_nobody_listens_refuses_the_connection(scheme: str):
    said = refusal(f"{scheme}://user:{SECRET}@127.0.0.1:1/live?token={SECRET}")
    assert said.startswith(f"{scheme.lower()}://127.0.0.1:1/live?token=***: connection refused;")


def test_a_name_that_nobody_has_is_called_so():
    said = refusal("rtsp://user:pass@nowhere.invalid/live")
    assert said.startswith("rtsp://nowhere.invalid/live: there is no host of that name")


@pytest.mark.parametrize(
    ("status_line", "cause"),
    [
        ("401 Unauthorized", "wrong user name or password (401)"),
        ("403 Forbidden", "the server forbids it (403)"),
        ("404 Not Found", "the server has no such stream (404)"),
        ("503 Service Unavailable", "the server failed (5xx)"),
    ],
)
def test_each_refusal_of_an_rtsp_server_has_its_own_words(status_line: str, cause: str):
    head = f"RTSP/1.0 {status_line}\r\nCSeq: {{seq}}\r\nWWW-Authenticate: Basic realm=x\r\n\r\n"
    with answering_server(head.encode()) as host:
        assert refusal(f"rtsp://user:{SECRET}@{host}/live").startswith(f"rtsp://{host}/live: {cause};")


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
def test_a_server_that_accepts_and_says_nothing_times_out(scheme: str):
    begin_s = time.monotonic()
    with answering_server(None) as host:
        assert "timed out after 0.5 s" in refusal(f"{scheme}://user:{SECRET}@{host}/live?timeout=0.5")
    assert time.monotonic() - begin_s < 4


def test_a_video_file_of_a_web_server_has_an_end(web: WebServer):
    with opened(f"http://{web.host}/clip.mp4") as source:
        assert (source.live, source.duration_s) == (False, pytest.approx(1.2))
        assert len(list(source.frames())) == 30


def test_a_transport_stream_of_a_web_server_is_live(web: WebServer):
    with opened(f"http://{web.host}/clip.ts") as source:
        assert (source.live, source.frame_rate, source.duration_s) == (True, 25.0, None)
        assert len(list(source.frames())) == 30


def test_a_finished_playlist_has_an_end(web: WebServer):
    with opened(f"http://{web.host}/clip.m3u8") as source:
        assert not source.live
        given = times(list(source.frames()))
    assert len(given) == 30
    assert given == sorted(given)


def test_a_playlist_of_nothing_is_an_input_error(web: WebServer):
    assert f"http://{web.host}/list.m3u8: " in refusal(f"http://{web.host}/list.m3u8")


@pytest.mark.parametrize("line", ["#EXTINF:1,\nx.ts", "#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8"])
@pytest.mark.parametrize("lines", [0, 10, 1000, None])
def test_a_playlist_without_an_end_takes_a_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, lines: int | None
) -> None:
    monkeypatch.setattr(network, "_OPENING_BYTES", 15_000_000)

    def send(handler) -> None:  # type: ignore[no-untyped-def]
        handler.send_response(200)
        handler.send_header("Content-Type", "application/vnd.apple.mpegurl")
        handler.end_headers()
        handler.wfile.write(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n")
        many = f"{line}\n".encode() * (1000 if lines is None else lines)
        with suppress(OSError):
            handler.wfile.write(many)
            while lines is None:
                handler.wfile.write(many)

    server = WebServer(tmp_path, {"/list.m3u8": send})
    patience = "?timeout=60" if lines is None else ""
    said = refusal(f"http://{server.host}/list.m3u8{patience}")
    server.close()
    assert ("asks for more than 15 MB, or than there is, before a picture came; check that its" in said) is (
        lines is None
    )


def test_pictures_of_a_camera_go_by_their_arrival(web: WebServer):
    with opened(f"http://{web.host}/camera") as source:
        assert source.live
        frames, _ = frames_and_error(source)
    assert len(frames) == 8
    # The first ones were looked at while the stream was opened.
    assert 0.3 < frames[-1].pts_s - frames[0].pts_s < 3
    assert [c.pts_s for c in frames] == [c.captured_s for c in frames]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpKind, "patience_s", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_stream_that_stalls_is_an_error_after_its_frames(web: WebServer):
    with opened(f"http://{web.host}/stalls", timeout_s=0.5) as source:
        frames, error = frames_and_error(source)
    assert len(frames) == 5
    assert "sent nothing for 0.5 s" in str(error)


@pytest.mark.usefixtures("impatient")
def test_a_stream_that_stalls_hands_out_no_late_frame(web: WebServer):
    with opened(f"http://{web.host}/half.ts", timeout_s=1.5) as source:
        frames, error = frames_and_error(source)
    assert "sent nothing for 1.5 s" in str(error)
    assert frames[-1].captured_s - frames[0].captured_s < 1.5


def test_credentials_and_the_servers_own_parameters_reach_the_server(web: WebServer):
    web.requests.clear()
    with opened(f"http://user:{SECRET}@{web.host}/guarded?fps=9&timeout=3&server.name=x") as source:
        frames, _ = frames_and_error(source)
    assert len(frames) == 3
    assert ("/guarded?fps=9&name=x", BASIC) in web.requests


def test_finding_out_what_a_server_sends_uses_the_credentials_too(web: WebServer):
    web.requests.clear()
    assert "sends a web page" in refusal(f"http://user:{SECRET}@{web.host}/guarded/page")
    assert web.requests[-1] == ("/guarded/page", BASIC)


def test_credentials_only_go_to_a_server_that_asks(web: WebServer):
    web.requests.clear()
    refusal(f"http://user:{SECRET}@{web.host}/api")
    assert {authorization for _, authorization in web.requests} == {""}


def test_a_file_that_stops_short_of_its_length_is_an_error(web: WebServer, tmp_path: Path):
    data = write_clip(tmp_path / "clip.ts", frames=48).read_bytes()

    def stop_short(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(2 * len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    server = WebServer(tmp_path, {"/cut.ts": stop_short})
    try:
        with opened(f"http://{server.host}/cut.ts") as source:
            frames, error = frames_and_error(source)
    finally:
        server.close()
    assert len(frames) > 40
    assert "failed while it was read" in str(error)
