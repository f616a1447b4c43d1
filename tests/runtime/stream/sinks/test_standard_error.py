import pytest

from pptsn.runtime.stream.sinks.standard_error import NewsLines, TroubleLines
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.samples import event, notice, prediction


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
