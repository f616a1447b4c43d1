"""`classify --resume` with files of web servers: what the server says of a file tells whether its row is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.video.web.address import web_file
from pptsn.runtime.video.web.asking import ask_servers
from pptsn.runtime.video.web.served import Served
from tests.clips import write_clip
from tests.models import write_tiny_model
from tests.runtime.stream.sources.servers import WebServer, silence, status
from tests.runtime.video.web.parts import Parts, redirect

DATE, LATER = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
FILES = ("o.jsonl", "o.csv", "o.json", *(["o.parquet"] if find_spec("pyarrow") else []))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    write_tiny_model(folder / "m.onnx")
    write_clip(folder / "a.mp4", frames=4)
    write_clip(folder / "b.mp4", frames=9)
    return folder


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "served").mkdir()
    server = WebServer(tmp_path / "served", {})
    yield server
    server.close()


def clip(path: Path, **headers: str) -> Parts:
    return Parts(path.read_bytes(), headers={"Content-Type": "video/mp4", **headers})


def dated(path: Path, date: str = DATE) -> Parts:
    return clip(path, **{"Last-Modified": date})


def left(run: Any, work: Path, outputs: list[Path], *urls: str) -> int:
    """Return how many sources a run that goes on with `outputs` has left to answer."""
    files = [part for output in outputs for part in ("-o", output)]
    more = ("--segments", 1, "--views", "center", "--decoders", 0, "--resume")
    ended = run("classify", *urls, "--model", work / "m.onnx", *more, *files)
    assert ended.code in (0, 1), ended.err
    (line,) = (line for line in ended.err.splitlines() if line.endswith("left to answer"))
    return int(line.removeprefix("pptsn: note: ").split()[0])


def test_a_file_of_which_the_server_says_the_same_is_not_read_again(
    run: Any, work: Path, tmp_path: Path, server: WebServer
) -> None:
    outputs = [tmp_path / name for name in FILES]
    routes = [dated(work / "a.mp4"), replace(dated(work / "b.mp4"), ranges=False)]
    server.routes.update({"/a.mp4": routes[0], "/b.mp4": routes[1]})
    urls = [f"http://user:secret@{server.host}/{name}.mp4" for name in "ab"]
    assert left(run, work, outputs, *urls) == 2
    before = [output.read_bytes() for output in outputs]
    for route in routes:
        route.asked.clear()
    assert left(run, work, outputs, *urls) == 0
    assert [route.asked for route in routes] == [[(0, 1)], [(0, len(routes[1].data))]]
    assert [output.read_bytes() for output in outputs] == before
    assert not any(b"secret" in content for content in before)
    assert b"2023-11-14T22:13:20.000000Z" in before[0]


@pytest.mark.parametrize(
    ("then", "now", "again"),
    [
        (lambda a, _: dated(a), lambda a, _: dated(a, LATER), 1),
        (lambda a, _: dated(a), lambda _, b: dated(b), 1),
        (lambda a, _: dated(a), lambda a, _: clip(a), 1),
        (lambda a, _: clip(a), lambda a, _: dated(a), 1),
        (lambda a, _: clip(a, ETag='"x"'), lambda a, _: clip(a, ETag='"x"'), 1),
        (lambda a, _: dated(a, "soon"), lambda a, _: dated(a, "soon"), 1),
        (lambda a, _: replace(dated(a), ranges=False, states_length=False), lambda a, _: dated(a), 1),
        (lambda a, _: dated(a), lambda *_: status(404), 1),
        (lambda a, _: dated(a), lambda a, _: replace(dated(a), ranges=False), 0),
    ],
)
def test_a_file_of_which_it_says_something_else_or_too_little_is_answered_again(
    run: Any, work: Path, tmp_path: Path, server: WebServer, then: Any, now: Any, again: int
) -> None:
    output, url = tmp_path / "o.csv", f"http://{server.host}/a.mp4"
    for route, expected in ((then, 1), (now, again)):
        server.routes["/a.mp4"] = route(work / "a.mp4", work / "b.mp4")
        assert left(run, work, [output], url) == expected
    assert output.read_text().count("\nhttp") == 1


def test_each_server_says_it_for_itself(work: Path, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (work / "a.mp4").stat().st_size
    server.routes.update({f"/{number}": dated(work / "a.mp4") for number in range(40)})
    server.routes.update({"/none": status(404), "/there": redirect("/1")})
    files = [web_file(f"http://{server.host}/{name}") for name in ("none", *range(40), "there")]
    told = ask_servers(files)
    assert told == [None, *[Served(size, 1_700_000_000)] * 41]
    assert ask_servers([]) == []


def test_a_host_that_fails_is_not_asked_for_all_of_its_files(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptsn.runtime.video.web.exchange.READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr("pptsn.runtime.video.web.asking._AT_A_TIME", 2)
    server.routes.update({f"/{number}": silence for number in range(50)})
    files = [web_file(f"http://{server.host}/{number}") for number in range(50)]
    assert ask_servers(files) == [None] * 50
    assert len(server.requests) <= 5
