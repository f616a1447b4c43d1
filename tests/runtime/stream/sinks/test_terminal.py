import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pptsn.runtime.stream.sinks.live_table import LiveTable
from pptsn.runtime.stream.sinks.terminal import NewsLines, PipedLines, TroubleLines, terminal_sinks
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.samples import FakeView, event, notice, prediction


def printed(capsys: pytest.CaptureFixture[str], sink: NewsLines | TroubleLines, *messages: object) -> list[str]:
    """Return the lines that `sink` prints, driven as the pipeline drives it."""
    worker = SinkWorker(sink, report=lambda _: None)
    worker.start()
    for message in messages:
        worker.put(message)  # type: ignore[arg-type]
    assert worker.close(timeout_s=10)
    return capsys.readouterr().err.splitlines()


def test_news_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, NewsLines(), prediction(), event(), notice(detail="gone\nfor good")) == [
        "pptsn: door: dancing started (score 0.95)",
        "pptsn: door: retrying: gone for good",
    ]


def test_trouble_and_its_end_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    told = [
        notice(state="connecting", detail=""),
        notice(state="live", detail="320x240"),
        notice(state="frozen", detail="the picture does not change"),
        notice(state="live", detail="320x240"),
        notice(state="live", detail="2 frames damaged or lost in decoding"),
        notice(state="retrying", detail="no frame for 5 s"),
        notice(state="connecting", detail=""),
        notice(state="failed", detail="given up"),
        notice(state="ended", detail="", stream="garage"),
    ]
    assert printed(capsys, TroubleLines(), prediction(), event(), *told) == [
        "pptsn: door: frozen: the picture does not change",
        "pptsn: door: works again",
        "pptsn: door: retrying: no frame for 5 s",
        "pptsn: error: clip.mp4: given up",
    ]


def test_what_is_wrong_already_is_not_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    refused, silent, live = notice(detail="refused"), notice(detail="silent"), notice(state="live", detail="")
    other = notice(stream="garage", detail="refused")
    assert printed(capsys, TroubleLines(), refused, refused, other, refused, silent, refused, live, refused) == [
        "pptsn: door: retrying: refused",
        "pptsn: garage: retrying: refused",
        "pptsn: door: retrying: silent",
        "pptsn: door: retrying: refused",
        "pptsn: door: works again",
        "pptsn: door: retrying: refused",
    ]


def test_a_pipe_gets_a_line_a_prediction_and_the_news_go_to_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    console = Console(file=sys.stdout, force_terminal=False)
    workers = [SinkWorker(sink, report=print) for sink in terminal_sinks(FakeView(), top=3, console=console)]
    for worker in workers:
        worker.start()
        for message in (prediction(stream="a\tb", labels=("x", "y\nz", "w")), event(), notice()):
            worker.put(message)
        assert worker.close(timeout_s=10)
    assert [worker.health().written for worker in workers] == [1, 2]
    out, err = capfd.readouterr()
    assert out == "2023-11-14T22:13:20.000Z\ta b\t1\ty z\t0.700000\n"
    assert err == "pptsn: door: dancing started (score 0.95)\npptsn: door: retrying: connection refused\n"


def test_a_reader_that_has_gone_is_reported_once_whatever_the_news(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    reports: list[str] = []
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        sinks = terminal_sinks(FakeView(), top=3, console=Console(file=stream, force_terminal=False))
        workers = [SinkWorker(sink, report=reports.append) for sink in sinks]
        for worker in workers:
            worker.start()
            for message in (prediction(), notice(), prediction(), notice()):
                worker.put(message)
            assert worker.close(timeout_s=10)
    assert reports == ["standard output: its reader has gone"]
    assert [worker.health().failed for worker in workers] == [2, 0]


def test_the_terminal_is_seen_as_one(tmp_path: Path) -> None:
    leader, follower = os.openpty()
    with open(follower, "w") as stream:
        (sink,) = terminal_sinks(FakeView(), top=1, console=Console(file=stream))
        assert isinstance(sink, LiveTable)
    os.close(leader)
    with (tmp_path / "out").open("w") as stream:
        assert isinstance(terminal_sinks(FakeView(), top=1, console=Console(file=stream))[0], PipedLines)
