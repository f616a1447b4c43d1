"""What is where, and what it says."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest

import pptsn.runtime.stream.sinks.web as package
from pptsn.runtime.stream.health.snapshots import SinkHealth
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.clients import ask
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline

STATIC = Path(package.__file__).parent / "static"
SCORES = (0.5, 0.2, 0.1, 0.08, 0.06, 0.04, 0.02)


def test_the_page_and_all_it_refers_to_are_there(sink: WebSink) -> None:
    page = ask(sink, "/")
    assert page.headers["content-type"].startswith("text/html")
    paths = re.findall(r'(?:src|href)="(/[^"]*)"', page.body.decode())
    assert "/static/app.js" in paths
    for path in {*paths, *(f"/static/{file.name}" for file in STATIC.iterdir())}:
        answer = ask(sink, path)
        assert answer.status == 200, path
        if path.endswith(".js"):
            assert "javascript" in answer.headers["content-type"]


def test_the_page_asks_nobody_else() -> None:
    for file in STATIC.iterdir():
        addresses = set(re.findall(r"https?://[^\"'\s)]+", file.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file


def test_static_files_are_sent_again_only_where_they_changed(sink: WebSink) -> None:
    first = ask(sink, "/static/app.js")
    assert first.headers["cache-control"] == "no-cache"
    assert ask(sink, "/static/app.js", If_None_Match=first.headers["etag"]).status == 304


def test_streams_are_listed_with_their_last_prediction(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.predict("door", SCORES)
    door, hall = ask(sink, "/api/streams").json
    assert door["name"] == "door"
    assert [entry["label"] for entry in door["last"]["top"]] == list(pipeline.labels[:3])
    assert hall["last"] is None


def test_scores_that_are_no_numbers_become_null(sink: WebSink, pipeline: FakePipeline) -> None:
    sink.write(pipeline.predict("door", [float("nan")] * 7))
    assert ask(sink, "/api/streams").json[0]["last"]["top"][0]["score"] is None
    sink.idle()


def test_sinks_are_listed(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.set_sinks(SinkHealth("a.csv", 7, 2, 1, "a.csv: the disk is full"))
    assert ask(sink, "/api/sinks").json == [
        {"name": "a.csv", "written": 7, "dropped": 2, "failed": 1, "error": "a.csv: the disk is full"}
    ]


def test_events_are_listed_newest_first_and_an_end_replaces_its_beginning(
    sink: WebSink, pipeline: FakePipeline
) -> None:
    first = pipeline.start_event("door", "squat")
    sink.write(first)
    sink.write(pipeline.start_event("door", "yoga"))
    sink.write(pipeline.end_event(first))
    events = ask(sink, "/api/events").json
    assert [(event["label"], event["phase"]) for event in events] == [("yoga", "started"), ("squat", "ended")]


@pytest.mark.parametrize("name", ["door", "hall/1"])
def test_scores_of_the_last_minutes_are_remembered(sink: WebSink, pipeline: FakePipeline, name: str) -> None:
    sink.write(pipeline.predict(name, SCORES, wall_time=1000.0))
    sink.write(pipeline.predict(name, SCORES[::-1], wall_time=1001.0))
    answer = ask(sink, f"/api/streams/{quote(name, safe='')}/scores").json
    assert answer["points"][0] == [1000.0, 0, [[0, 0.5], [1, 0.2], [2, 0.1]]]
    assert answer["points"][1][2][0] == [6, 0.5]
    assert answer["labels"]["6"] == pipeline.labels[6]


@pytest.mark.parametrize("name", ["door", "hall/1"])
def test_the_newest_picture_is_sent_until_it_is_known(sink: WebSink, pipeline: FakePipeline, name: str) -> None:
    path = f"/api/streams/{quote(name, safe='')}/picture.jpg"
    assert ask(sink, path).status == 404
    pipeline.show(name, b"first")
    pipeline.show(name, b"second")
    answer = ask(sink, path + "?n=1")
    assert (answer.status, answer.body) == (200, b"second")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert ask(sink, path, If_None_Match=answer.headers["etag"]).status == 304
    pipeline.show(name, b"third")
    assert ask(sink, path, If_None_Match=answer.headers["etag"]).body == b"third"


def test_no_picture_of_a_stream_that_is_not_there(sink: WebSink) -> None:
    assert ask(sink, "/api/streams/nobody/picture.jpg").status == 404


def test_head_has_no_body(sink: WebSink) -> None:
    for path in ("/", "/api/streams", "/api/live", "/metrics"):
        answer = ask(sink, path, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")


def test_health_is_bad_when_every_stream_has_failed(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.enter("door", "failed")
    pipeline.enter("hall/1", "retrying")
    assert ask(sink, "/healthz").status == 200
    pipeline.enter("hall/1", "failed")
    answer = ask(sink, "/healthz")
    assert answer.status == 503
    assert answer.json == {"status": "failing", "streams": 2, "live": 0, "failed": 2}


def test_health_is_bad_without_streams(sink: WebSink, pipeline: FakePipeline) -> None:
    pipeline.remove("door")
    pipeline.remove("hall/1")
    assert ask(sink, "/healthz").status == 503


def test_unknown_paths_are_not_found(sink: WebSink) -> None:
    for path in ("/nowhere", "/api", "/api/streams/", "/index.html"):
        assert ask(sink, path).status == 404
