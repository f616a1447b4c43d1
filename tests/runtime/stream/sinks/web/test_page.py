"""The page in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from pptsn.runtime.stream.health.snapshots import SinkHealth
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web import scenes
from tests.runtime.stream.sinks.web.chromium import Page, chromium
from tests.runtime.stream.sinks.web.clients import TOKEN
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline
from tests.waiting import wait_until

DOOR, HALL = ".card:nth-of-type(1)", ".card:nth-of-type(2)"
MARKUP = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(autouse=True)
def quick_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pptsn.runtime.stream.sinks.web.hub.HEALTH_S", 0.2)


@pytest.fixture
def page(browser: Page, sink: WebSink) -> Iterator[Page]:
    """The page of `sink`; afterwards the browser must have nothing to complain about."""
    browser.complaints()
    browser.open(sink.address.url)
    yield browser
    assert browser.complaints() == []
    browser.run("location.href = 'about:blank'")


def jpeg(moment: float, size: tuple[int, int] = (160, 90)) -> bytes:
    return scenes.encode(cv2.resize(scenes.draw(scenes.SCENES[0], moment), size))


def test_pictures_move_and_keep_their_proportions(page: Page, pipeline: FakePipeline) -> None:
    seen = set()
    for step in range(4):
        pipeline.show("door", jpeg(step * 0.2), size=(160, 90))
        pipeline.show("hall/1", jpeg(step * 0.2, (90, 120)), size=(90, 120))
        wait_until(lambda: page.picture(0) is not None and page.picture(0) not in seen)
        seen.add(page.picture(0))
    assert len(seen) == 4
    wait_until(lambda: page.picture(1) is not None)
    sizes = page.run("return [...document.querySelectorAll('canvas')].map((c) => [c.width, c.height])")
    assert sizes == [[160, 90], [90, 120]]
    assert page.run("return getComputedStyle(document.querySelector('canvas')).objectFit") == "contain"


def test_a_picture_changes_its_size(page: Page, pipeline: FakePipeline) -> None:
    for size in ((160, 90), (64, 96)):
        pipeline.show("door", jpeg(0.0, size), size=size)
        wait_until(lambda size=size: page.run("return document.querySelector('canvas').width") == size[0])


def test_there_is_never_more_than_one_request_for_a_picture(page: Page, pipeline: FakePipeline) -> None:
    pictures = [
        scenes.encode(np.random.default_rng(i).integers(0, 255, (480, 640, 3), np.uint8)) for i in range(5)
    ]
    page.run("slow_ms = 250")
    began_s = time.monotonic()
    for number in range(100):
        pipeline.show("door", pictures[number % 5], size=(640, 480))
        time.sleep(0.02)
    wait_until(lambda: page.run("return document.querySelector('canvas').dataset.number") == "99")
    assert page.run("return mostUnderWay['/api/streams/door/picture.jpg']") == 1
    most = (time.monotonic() - began_s) / 0.25 + 2  # one after the other
    assert 2 < page.run("return fetched['/api/streams/door/picture.jpg']") <= min(most, 99)


def test_a_damaged_picture_does_not_end_the_pictures(page: Page, pipeline: FakePipeline) -> None:
    pipeline.show("door", b"this is no JPEG")
    wait_until(lambda: page.run("return fetched['/api/streams/door/picture.jpg'] > 0"))
    pipeline.show("door", jpeg(0.5), size=(160, 90))
    wait_until(lambda: page.picture(0) is not None)


def test_labels_scores_and_the_chart_change(page: Page, sink: WebSink, pipeline: FakePipeline) -> None:
    now = time.time()
    sink.write(pipeline.predict("door", (0.9, 0.05, 0.05, 0, 0, 0, 0), wall_time=now - 60))
    page.wait_for(f"{DOOR} .leader", "jumping jacks")
    page.wait_for(f"{DOOR} .leader", "90 %")
    sink.write(pipeline.predict("door", (0.1, 0.8, 0.1, 0, 0, 0, 0), wall_time=now))
    page.wait_for(f"{DOOR} .leader", "juggling balls")
    page.wait_for(f"{DOOR} .leader", "80 %")
    assert page.texts(f"{DOOR} .others .name") == ["jumping jacks", "squat"]
    assert page.text(f"{HALL} .leader") == ""
    page.wait_for(f"{DOOR} .legend", "jumping jacks")
    line = f"return document.querySelector('{DOOR} .line').getAttribute('d')"
    wait_until(lambda: page.run(line).startswith("M") and "M" in page.run(line)[1:])  # a hole of a minute


def test_a_page_that_is_opened_later_shows_the_last_minutes(
    browser: Page, sink: WebSink, pipeline: FakePipeline
) -> None:
    now = time.time()
    for second in range(60, 0, -1):
        sink.write(pipeline.predict("door", (0.9, 0.1, 0, 0, 0, 0, 0), wall_time=now - second))
    sink.write(pipeline.end_event(pipeline.start_event("door", "squat")))
    browser.open(sink.address.url)
    browser.wait_for("#events", "squat")
    wait_until(
        lambda: browser.run("return document.querySelector('.line')?.getAttribute('d').split('L').length") == 60
    )


def test_the_scores_in_the_page_are_bounded_and_a_class_keeps_its_colour(page: Page) -> None:
    script = """
        const { Scores } = await import("/static/scores.js");
        const scores = new Scores();
        const add = (time, ...ids) => scores.add({ wall_time: time, session: 0, top: ids.map(
            (id, rank) => ({ class_id: id, label: `class ${id}`, score: 0.5 / (rank + 1) })) });
        add(0, 1, 2);
        const first = scores.colour(2);
        for (let i = 1; i <= 5000; i++) add(0.31 * i, 2, 10 + i);
        const colours = [first, scores.colour(2), scores.colour(1)];
        return [scores.points.length, ...colours, scores.label(11), scores.label(5010)];
    """
    points, first, then, gone, forgotten, known = page.run(f"return (async () => {{ {script} }})()")
    assert 500 < points <= 600
    assert first == then == 1
    assert gone == -1
    assert (forgotten, known) == ("", "class 5010")


def test_an_event_appears_is_read_out_and_ends(page: Page, sink: WebSink, pipeline: FakePipeline) -> None:
    assert page.texts("#events li") == []
    event = pipeline.start_event("door", "squat", score=0.91)
    sink.write(event)
    page.wait_for("#events", "squat")
    page.wait_for("#news", "squat on door")
    page.wait_for(f"{DOOR} .active", "squat")
    assert "peak 91 %" in page.text("#events")
    assert page.run("return document.querySelector('#events li').dataset.running") == "true"
    assert page.run("return document.querySelector('#news').ariaLive") == "polite"
    sink.write(pipeline.start_event("hall/1", "yoga"))
    page.wait_for("#events li:nth-child(1)", "yoga")
    sink.write(pipeline.end_event(event, mean_score=0.66))
    page.wait_for("#events li:nth-child(2)", "mean 66 %")
    assert page.run("return document.querySelectorAll('#events li')[1].dataset.running") == "false"
    wait_until(lambda: page.text(f"{DOOR} .active") == "")


def test_an_event_is_shown_with_the_scores_that_decided_it(
    browser: Page, sink: WebSink, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's next word on the stream's health comes too late for this test."""
    monkeypatch.setattr("pptsn.runtime.stream.sinks.web.hub.HEALTH_S", 60.0)
    browser.open(sink.address.url)
    browser.wait_for(f"{DOOR} .badge", "Live")
    yoga = pipeline.start_event("door", "yoga")
    for message in (
        yoga,
        pipeline.predict("door", (0, 0, 0.9, 0, 0, 0, 0.1)),
        pipeline.start_event("door", "squat"),
    ):
        sink.write(message)
    wait_until(lambda: browser.texts(f"{DOOR} .active li") == ["yoga · 0.0 s", "squat · 0.0 s"])
    assert browser.text(f"{HALL} .active") == ""
    sink.write(pipeline.end_event(yoga))
    wait_until(lambda: [text.split(" · ")[0] for text in browser.texts(f"{DOOR} .active li")] == ["squat"])
    assert "90 %" in browser.text(f"{DOOR} .leader")


def test_the_list_of_events_is_bounded(page: Page, sink: WebSink, pipeline: FakePipeline) -> None:
    for _ in range(150):
        sink.write(pipeline.end_event(pipeline.start_event("door", "yoga")))
    wait_until(lambda: len(page.texts("#events li")) == 100)


@pytest.mark.parametrize(
    ("state", "badge", "grey"),
    [
        ("failed", "Failed", True),
        ("retrying", "Retrying", True),
        ("ended", "Ended", True),
        ("frozen", "Frozen", False),
        ("connecting", "Connecting", False),
    ],
)
def test_a_stream_that_is_not_live_is_shown_as_such(
    page: Page, pipeline: FakePipeline, state: str, badge: str, grey: bool
) -> None:
    page.wait_for(f"{DOOR} .badge", "Live")
    assert page.text(f"{DOOR} .reason") == ""
    pipeline.enter("door", state, "connection refused")
    page.wait_for(f"{DOOR} .badge", badge)
    page.wait_for(f"{DOOR} .reason", "connection refused (for ")
    wait_until(
        lambda: (
            ("grayscale(1)" in page.run("return getComputedStyle(document.querySelector('canvas')).filter"))
            is grey
        )
    )
    assert page.text(f"{HALL} .badge") == "Live"
    page.wait_for("#summary", f"1 {badge.lower()}" if state != "connecting" else "1 live")
    pipeline.enter("door", "live")
    page.wait_for(f"{DOOR} .badge", "Live")


def test_a_dead_stream_is_red(page: Page, pipeline: FakePipeline) -> None:
    pipeline.enter("door", "failed", "gave up")
    page.wait_for(f"{DOOR} .badge", "Failed")
    colour = page.run(f"return getComputedStyle(document.querySelector('{DOOR} .badge')).backgroundColor")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    assert red > 2 * max(green, blue)


def test_streams_come_and_go(page: Page, pipeline: FakePipeline) -> None:
    wait_until(lambda: page.texts(".card h2") == ["door", "hall/1"])
    pipeline.remove("door")
    wait_until(lambda: page.texts(".card h2") == ["hall/1"])
    pipeline.remove("hall/1")
    wait_until(lambda: page.texts(".card h2") == [])
    assert not page.run("return document.querySelector('#nothing').hidden")


def test_text_is_never_markup(browser: Page) -> None:
    pipeline = FakePipeline([MARKUP], labels=(MARKUP, "b"))
    pipeline.set_sinks(SinkHealth(MARKUP, error=MARKUP))
    with WebSink("127.0.0.1", 0, view=pipeline) as sink:
        sink.open()
        browser.open(sink.address.url)
        sink.write(pipeline.predict(MARKUP, (0.9, 0.1)))
        sink.write(pipeline.start_event(MARKUP, MARKUP))
        pipeline.enter(MARKUP, "retrying", MARKUP)
        for selector in (".card h2", ".leader", ".legend", "#events", ".reason", "#outputs", "#news"):
            browser.wait_for(selector, MARKUP)
        assert browser.run("return document.querySelectorAll('img').length") == 1


def test_dark_and_light_follow_the_system_until_the_reader_chooses(page: Page, pipeline: FakePipeline) -> None:
    pipeline.predict("door", (0.9, 0.1, 0, 0, 0, 0, 0))
    page.wait_for(f"{DOOR} .leader", "jumping jacks")
    label = f"{DOOR} .leader .label"
    assert page.brightness() > 200
    assert page.brightness(label, of="color") < 80
    page.prefer("dark")
    wait_until(lambda: page.brightness() < 40)
    wait_until(lambda: page.brightness(label, of="color") > 180)
    page.click("#theme")
    wait_until(lambda: page.brightness() > 200)
    page.reload()
    page.wait_for("#connection", "Connected")
    assert page.brightness() > 200


@pytest.mark.parametrize("width_px", [320, 420, 1280, 1920])
def test_nothing_is_wider_than_the_window(
    page: Page, sink: WebSink, pipeline: FakePipeline, width_px: int
) -> None:
    pipeline.change("door", source="rtsp://a-very-long-host-name-that-does-not-fit.example.org/" + "x" * 80)
    sink.write(pipeline.start_event("door", "stretching arm"))
    pipeline.set_sinks(SinkHealth("x" * 80, error="y" * 200))
    page.wait_for("#outputs", "y" * 200)
    page.be_wide(width_px)
    assert page.run("return document.documentElement.scrollWidth") <= width_px


def test_a_server_that_is_lost_is_shown_until_it_is_back(browser: Page, pipeline: FakePipeline) -> None:
    with WebSink("127.0.0.1", 0, view=pipeline) as sink:
        sink.open()
        browser.open(sink.address.url)
        assert browser.text("#lost") == ""
    browser.wait_for("#lost", "The server does not answer")
    browser.wait_for("#connection", "Disconnected")
    with WebSink("127.0.0.1", sink.address.port, view=pipeline) as sink:
        sink.open()
        browser.wait_for("#connection", "Connected")
        assert browser.run("return document.querySelector('#lost').hidden")
        pipeline.show("door", jpeg(1.0), size=(160, 90))
        wait_until(lambda: browser.picture(0) is not None)


def test_a_browser_signs_in_with_the_token(browser: Page, pipeline: FakePipeline) -> None:
    with WebSink("127.0.0.1", 0, view=pipeline, token=TOKEN) as sink:
        sink.open()
        browser.run("location.href = arguments[0]", f"{sink.address.url}?token={TOKEN.replace('+', '%2B')}")
        browser.wait_for("#connection", "Connected")
        assert browser.url == sink.address.url
        pipeline.show("door", jpeg(1.0), size=(160, 90))
        wait_until(lambda: browser.picture(0) is not None)
