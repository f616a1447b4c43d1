"""Whether the tool sees what commands do wrong with broken input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.mutation import clips, mutants, streams
from tools.mutation.program import run_bounded


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=12)


def test_a_mutant_is_the_same_for_its_number_and_seed_and_no_other(source: Path):
    first = [mutants.mutant(source, number, seed=0) for number in range(40)]
    assert first == [mutants.mutant(source, number, seed=0) for number in range(40)]
    assert len({*first, source.read_bytes()}) == 41
    assert len(set(first) - {mutants.mutant(source, number, seed=1) for number in range(40)}) == 40


@pytest.mark.parametrize("mutation", mutants.MUTATIONS)
def test_each_mutation_changes_something_and_ends(source: Path, mutation: mutants.Mutation):
    good = source.read_bytes()
    changed = set()
    for number in range(20):
        data = bytearray(good)
        mutation(mutants.random.Random(number), data)
        changed.add(bytes(data))
    assert len(changed - {good}) > 15


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("pass", []),
        ("raise SystemExit(3)", []),
        ("raise SystemExit(7)", ["ended with code 7"]),
        ("import os; os.abort()", ["ended with code -6"]),
        ("1 / 0", ["traceback: ZeroDivisionError: division by zero"]),
        (
            "import atexit; atexit.register(lambda: __import__('os').write(2, b'a summary'))\n{}['a']",
            ["traceback: KeyError: 'a'"],
        ),
    ],
)
def test_what_a_command_did_wrong_is_told(tmp_path: Path, code: str, fault: list[str]):
    done = run_bounded([sys.executable, "-S", "-c", code], tmp_path / "errors", bound_s=60)
    assert done.faults() == fault


def test_a_command_that_does_not_end_is_told_and_what_it_took(tmp_path: Path):
    code = "import time; taken = bytearray(30 << 20); time.sleep(60)"
    done = run_bounded([sys.executable, "-S", "-c", code], tmp_path / "errors", bound_s=2)
    assert done.faults() == ["did not end"]
    assert done.peak_mb > 30


def row(**fields: object) -> str:
    return json.dumps(fields)


def test_lost_rows_of_streams_are_seen(tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    said = [row(type="prediction", stream="a", number=number) for number in (0, 1, 3)]
    said += [row(type="notice", stream=stream, state="ended", detail="") for stream in "aab"]
    rows.write_text("\n".join(said))
    assert list(streams.faults_of_rows(rows, ["a", "b", "c"])) == [
        "a: predictions are missing",
        "a: 2 ends are told",
        "c: 0 ends are told",
    ]
    rows.write_text("\n".join(said)[:-5])
    assert [fault[:19] for fault in streams.faults_of_rows(rows, ["a"])] == ["rows cannot be read"]


def test_lost_rows_of_clips_are_seen(tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(row(source=name) for name in ("a", "b", "b")))
    assert list(clips.faults_of_rows(rows, [Path("a"), Path("b"), Path("c")])) == ["b: 2 rows", "c: 0 rows"]


@pytest.mark.slow
def test_a_few_mutants_do_no_harm(source: Path, tmp_path: Path):
    model = write_tiny_model(tmp_path / "model.onnx")
    assert list(streams.try_streams([source], model, tmp_path, count=9, seed=0)) == []
    assert list(clips.try_clips([source], model, tmp_path, count=9, seed=0)) == []
