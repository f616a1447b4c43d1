"""What a run says at its end of results that are not where they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime.stream.actions.thresholds import DecisionRules, Threshold
from pptsn.runtime.stream.health.snapshots import SinkHealth, StreamHealth
from pptsn.runtime.stream.run.losses import (
    events_that_did_not_come,
    idle_outputs,
    lines_left_out,
    lost_messages,
    lost_recordings,
)
from pptsn.runtime.stream.sinks.base import Only, Sink
from pptsn.runtime.stream.sinks.registry import parse_destination
from tests.models import write_tiny_model

RULES = DecisionRules(thresholds={1: Threshold(0.6, 0.4), 2: Threshold(0.9, 0.4)})


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        (SinkHealth("a.jsonl", written=9), []),
        (
            SinkHealth("a.jsonl", 9, 1),
            ["error: a.jsonl: 1 of 10 messages were lost (1 dropped, as it was too slow)"],
        ),
        (
            SinkHealth("a.jsonl", 9, 0, 1, last_error="a.jsonl: no space left"),
            ["error: a.jsonl: 1 of 10 messages were lost (a.jsonl: no space left)"],
        ),
        (
            SinkHealth("http://h", 0, 0, 5, last_error="http://h: cannot be reached"),
            ["error: http://h: nothing was delivered (http://h: cannot be reached)"],
        ),
        (SinkHealth("web page", 9, 7, 7, keeps_results=False), []),
        (SinkHealth("standard output", 9, 7), []),
        (SinkHealth("standard output", 9, 7, 7, last_error="standard output: its reader has gone"), []),
        (
            SinkHealth("standard output", 9, 0, 1, last_error="No space left on device"),
            ["error: standard output: 1 of 10 messages were lost (No space left on device)"],
        ),
    ],
)
def test_an_output_that_lost_messages_is_named(sink: SinkHealth, said: list[str]) -> None:
    assert lost_messages([SinkHealth("b.csv", written=1), sink]) == said


@pytest.mark.parametrize("dropped", [0, 1, 2000])
def test_lines_that_standard_error_was_too_slow_for_are_counted(dropped: int) -> None:
    sinks = [
        SinkHealth("web page", 9, 7, keeps_results=False),
        SinkHealth("standard error", 4096, dropped, keeps_results=False),
    ]
    said = {1: "1 line is", 2000: "2000 lines are"}
    expected = [f"note: {said[dropped]} left out: standard error was read too slowly"] if dropped else []
    assert lines_left_out(sinks) == expected


def test_an_output_that_waits_for_events_without_a_threshold_is_named(tmp_path) -> None:
    sinks = [parse_destination(f"{tmp_path}/{text}", top=3) for text in ("a.jsonl", "b.jsonl?only=events")]
    assert all(isinstance(sink, Sink) for sink in sinks)
    assert isinstance(sinks[1], Only)
    (line,) = idle_outputs(sinks, DecisionRules())
    assert line.startswith(f"note: {tmp_path}/b.jsonl: takes events alone, and no threshold raises any; ")
    assert idle_outputs(sinks, RULES) == []


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (StreamHealth("a", "a", "ended", predictions=5, events=1, highest_score=0.7), ""),
        (StreamHealth("a", "a", "ended", predictions=5, highest_score=0.313), "the highest score of a class with"),
        (StreamHealth("a", "a", "ended", predictions=5, highest_score=0.7), "only while windows were filling"),
        (StreamHealth("a", "a", "failed"), ""),
    ],
)
def test_thresholds_that_raised_nothing_are_told(stream: StreamHealth, said: str) -> None:
    lines = events_that_did_not_come([stream], RULES)
    assert len(lines) == bool(said)
    assert said in "".join(lines)
    assert events_that_did_not_come([stream], DecisionRules()) == []


@pytest.mark.parametrize(
    ("losses", "more"), [(1, []), (2, [" (and another)"]), (9, [" (and 8 more such losses)"])]
)
def test_a_stream_whose_recordings_lack_something_is_named(losses: int, more: list[str]) -> None:
    whole, torn = (
        StreamHealth("a", "a", "ended"),
        StreamHealth("b", "b", "ended", losses=losses, loss="b.mp4: cut"),
    )
    assert lost_recordings([whole, torn]) == ["".join(["error: b: b.mp4: cut", *more])]


def test_every_line_of_a_long_list_of_unusable_sources_is_told(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    count, model, cameras = 3000, write_tiny_model(tmp_path / "model.onnx"), tmp_path / "cameras.txt"
    cameras.write_text("rtsp://:554/x\n" * count)
    ending = run("--quiet", "stream", f"@{cameras}", "--model", model)
    assert ending.code == 1
    lines = ending.err.splitlines()
    assert [line.partition(": rtsp")[0] for line in lines] == [
        f"pptsn: error: @{cameras}:{number}" for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("full", [0, 1, 2])
def test_a_recording_that_a_full_disk_ends_is_told_at_the_end(run, tmp_path: Path, full: int) -> None:  # type: ignore[no-untyped-def]
    for number in range(full):
        (tmp_path / f"out-{number}.mp4").symlink_to("/dev/full")
    sources = [f"synthetic:?name={number}&frames=40" for number in range(2)]
    model, out = write_tiny_model(tmp_path / "model.onnx"), tmp_path / "out.jsonl"
    ending = run("--quiet", "stream", *sources, "--model", model, "-o", tmp_path / "out-{stream}.mp4", "-o", out)
    assert ending.code == int(full > 0)
    errors = [line for line in ending.err.splitlines() if line.startswith("pptsn: error: ")]
    assert len(errors) == full
    for number, line in enumerate(sorted(errors)):
        cause = "the recording ended (No space left on device); choose a writable place with room"
        assert line == f"pptsn: error: {number}: {tmp_path}/out-{number}.mp4: {cause}"
    predictions = [line for line in out.read_text().splitlines() if '"type": "prediction"' in line]
    assert len(predictions) >= 4
