import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pptsn.runtime.base.lines import LineFile, StandardOutput
from pptsn.runtime.stream.sinks.jsonl import JsonlSink
from pptsn.runtime.stream.sinks.worker import SinkWorker
from tests.runtime.stream.sinks.samples import event, notice, prediction

ROOT = Path(__file__).parents[4]


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")


def written(path: Path, *messages: object, top: int = 2) -> list[dict]:
    with JsonlSink(LineFile(path), top=top) as sink:
        sink.open()
        for message in messages:
            sink.write(message)
    return [json.loads(line, parse_constant=refuse) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_message_is_one_object(tmp_path: Path) -> None:
    messages = [prediction(3), event(), event(ended=True), notice()]
    objects = written(tmp_path / "x.jsonl", *messages)
    assert objects == [message.to_dict(top=2) for message in messages]
    assert [len(o["top"]) for o in objects if o["type"] == "prediction"] == [2]


def test_text_stays_readable_and_odd_bytes_are_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    first, second = written(path, prediction(labels=("x", "射箭", "ärchery")), notice(stream="caf\udce9"))
    assert [entry["label"] for entry in first["top"]] == ["射箭", "ärchery"]
    assert "射箭" in path.read_text(encoding="utf-8")
    assert second["stream"] == "caf\\xe9"


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    (fields,) = written(tmp_path / "x.jsonl", prediction(scores=(math.nan, 0.5, math.inf)), top=3)
    assert {entry["score"] for entry in fields["top"]} == {None, 0.5}


def test_standard_output_gets_the_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with JsonlSink(StandardOutput(), top=1) as sink:
        sink.open()
        sink.write(prediction(7))
    assert json.loads(capfd.readouterr().out)["number"] == 7


def test_a_reader_that_has_gone_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        reports: list[str] = []
        worker = SinkWorker(JsonlSink(StandardOutput(), top=1), report=reports.append)
        worker.start()
        os.close(reading)
        for i in range(20):
            worker.put(prediction(i))
        assert worker.close(timeout_s=10)
    assert reports == ["standard output: its reader has gone"]
    assert worker.health().failed == 20


def test_a_program_whose_reader_has_gone_ends_in_order() -> None:
    code = """
from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sinks.jsonl import JsonlSink
from pptsn.runtime.base.lines import StandardOutput
from tests.runtime.stream.sinks.samples import prediction
sink = JsonlSink(StandardOutput(), top=1)
sink.open()
failed = 0
for i in range(2000):
    try:
        sink.write(prediction(i))
    except InputError:
        failed += 1
raise SystemExit(0 if failed else 9)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (0, b"")
