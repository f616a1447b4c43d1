import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from pptsn.runtime.stream.health.snapshots import Percentiles, SinkHealth, StreamHealth
from pptsn.runtime.stream.sinks.live_table import LiveTable, draw
from pptsn.runtime.stream.sinks.terminal import terminal_sinks
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.samples import FakeView, event, notice, prediction
from tests.waiting import wait_until

LATENCY = {"total": Percentiles(31.2, 40.0, 58.4)}
TROUBLE = SinkHealth("https://h", written=3, dropped=4, failed=12, error="https://h: answered 503")
NEWS = (event(), notice(stream="garage"), event(ended=True))


def live(name: str = "door", **fields: object) -> StreamHealth:
    values = {"fps": 29.97, "dropped": 45, "latency": LATENCY, "last": prediction(), "position_s": 16.0, **fields}
    return StreamHealth(name, "clip.mp4", "live", **values)


def lines(*streams: StreamHealth, top: int = 3, width: int = 80, height: int = 40, **options: object) -> list[str]:
    sinks = options.get("sinks", ())
    news = options.get("news", ())
    return draw(streams, sinks, news, top=top, width=width, height=height).plain.split("\n")


def test_a_stream_shows_all_that_its_user_asks_for() -> None:
    header, title, *rest = lines(live(active=(event(),)), top=2)
    assert header.split() == ["stream", "state", "fps", "p50/p99", "ms", "dropped"]
    assert title.split() == ["door", "live", "30.0", "31/58", "45"]
    assert rest[0].strip() == "▶ dancing for 12 s, peak 0.95"
    assert rest[1].split()[:4] == ["riding", "a", "bike", "0.700"]
    assert rest[2].split()[:2] == ["dancing", "0.200"]
    assert rest[1].count("━") == round(0.7 * 16)
    assert rest[2].count("━") == round(0.2 * 16)


def test_a_stream_that_fails_says_why_instead() -> None:
    failed = StreamHealth("garage", "rtsp://h", "failed", detail="wrong password (401)")
    _, title, detail = lines(failed)
    assert title.split() == ["garage", "failed", "0.0", "-", "0"]
    assert detail.strip() == "wrong password (401)"


def test_states_have_colours() -> None:
    failed = StreamHealth("garage", "rtsp://h", "failed")
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    console.print(draw([live(), failed], (), (), top=1, width=80, height=20))
    text = console.file.getvalue()
    assert "\x1b[1;32m live" in text
    assert "\x1b[1;31m failed" in text


def test_sinks_in_trouble_and_the_last_events_stand_below() -> None:
    below = lines(live(), sinks=(SinkHealth("x.jsonl", 9), TROUBLE), news=NEWS)[-4:]
    assert below[0] == "! 12 failed, 4 dropped: https://h: answered 503"
    assert below[1].endswith("door: dancing started (score 0.95)")
    assert below[2].endswith("garage: retrying: connection refused")
    assert below[3].endswith("door: dancing ended after 12 s (peak 0.95, mean 0.80)")


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [4, 8, 23, 50])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_the_picture_fits_the_screen(width: int, height: int, count: int) -> None:
    labels = ("射箭" * 40, "x" * 200, "two\nlines\x1b[2J")
    odd = [
        live(f"stream {i} 厨房" + "long" * (i % 7), last=prediction(labels=labels), active=(event(),) * (i % 3))
        for i in range(count)
    ]
    shown = lines(*odd, width=width, height=height, sinks=[TROUBLE] * 3, news=NEWS)
    assert len(shown) <= height
    assert all(cell_len(line) <= width for line in shown)
    assert all(line.isprintable() for line in shown)


def test_a_low_screen_shows_fewer_classes_before_it_hides_streams() -> None:
    streams = [live(str(i)) for i in range(3)]
    assert sum("━" in line for line in lines(*streams, height=20)) == 9
    assert sum("━" in line for line in lines(*streams, height=10)) == 6
    assert sum("━" in line for line in lines(*streams, height=7)) == 3
    assert len(lines(*streams, height=4)) == 4


def test_the_size_of_the_picture_stands_beside_the_figures_where_there_is_room() -> None:
    stream = live(detail="320x240", width=320, height=240)
    assert lines(stream)[1].endswith("45  320x240")
    assert not any("320x240" in line for line in lines(stream, width=58))


def test_reasons_give_way_before_streams_are_hidden() -> None:
    bad = [StreamHealth(str(i), "x", "failed", detail="gone") for i in range(6)]
    assert [line.strip() for line in lines(*bad, height=13)].count("gone") == 6
    assert len(lines(*bad, height=9)) == 7
    assert "gone" not in "".join(lines(*bad, height=9))


def test_streams_that_do_not_fit_are_counted_by_state() -> None:
    streams = [*[live(str(i)) for i in range(8)], StreamHealth("bad", "x", "failed", detail="gone")]
    assert lines(*streams, height=8)[-1] == "… and 3 more: 2 live, 1 failed"


def test_the_latest_events_stay_where_there_is_little_room() -> None:
    assert "ended" in lines(live(), height=8, news=NEWS)[-1]


def live_console() -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=True, width=80, height=30, color_system=None), stream


def test_the_table_is_drawn_at_most_four_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("pptsn.runtime.stream.sinks.live_table.time.monotonic", lambda: now_s[0])
    view = FakeView([live()])
    (table,) = terminal_sinks(view, top=2, console=live_console()[0])
    assert isinstance(table, LiveTable)
    table.open()
    for i in range(100):
        now_s[0] = 100.0 + i * 0.04
        table.idle()
        table.write(prediction(i))
    assert 12 <= view.asked <= 17
    table.close()


def test_the_final_state_stays_on_the_screen() -> None:
    console, stream = live_console()
    view = FakeView([live()])
    (table,) = terminal_sinks(view, top=2, console=console)
    worker = SinkWorker(table, report=lambda _: None)
    worker.start()
    wait_until(lambda: "riding a bike" in stream.getvalue())
    worker.put(event())
    view.streams = (live(last=prediction(scores=(0.9, 0.05, 0.05))),)
    assert worker.close(timeout_s=10)
    last = stream.getvalue().rsplit("stream ", 1)[1]
    assert "walking" in last.splitlines()[2]
    assert "dancing started" in last
    assert worker.health().failed == 0
