"""Classifying with a pool of decoders: the same answers in the same order, from Python and by the command line."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.classify.results import Classification, Failure
from pptsn.runtime.classify.sources import contents_of
from pptsn.runtime.decoding.clips import Source
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.tuned import DecodersFound
from pptsn.runtime.recognizer import Recognizer
from tests.clips import write_clip
from tests.models import write_tiny_model
from tests.runtime.decoding.sources import all_kinds, mutate
from tests.runtime.workers.processes import MARK, is_ended, marked_processes
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    return all_kinds(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def long_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of more clips than anybody waits for."""
    folder = tmp_path_factory.mktemp("list")
    clip = write_clip(folder / "clip.mp4")
    (folder / "list").write_text(f"{clip}\n" * 20_000)
    return folder / "list"


def comparable(result: Classification | Failure) -> dict[str, Any]:
    fields = dict(result.to_dict(top=4))
    fields.pop("timing_ms", None)
    return fields


@pytest.mark.parametrize("decoders", [1, 3])
def test_answers_are_those_without_decoders(model: Path, sources: list[Source], decoders: int) -> None:
    with Recognizer.open(model, threads=1) as recognizer:
        plain = list(recognizer.classify_many(sources, segments=5, decoders=0))
        pooled = list(recognizer.classify_many(sources, segments=5, decoders=decoders))
    assert [comparable(result) for result in pooled] == [comparable(result) for result in plain]
    assert sum(isinstance(result, Failure) for result in pooled) == 7
    for result in pooled:
        if isinstance(result, Classification):
            assert 0 < result.timing.decode_ms < result.timing.total_ms


def test_an_answer_does_not_wait_for_a_source_that_is_not_there_yet(model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    release = threading.Event()

    def sources() -> Iterator[Path]:
        yield clip
        release.wait(20)

    with Recognizer.open(model, threads=1) as recognizer:
        results = recognizer.classify_many(sources(), segments=3, views="center", decoders=2)
        assert next(results).source == str(clip)
        assert not release.is_set()
        release.set()
        assert list(results) == []


def test_auto_starts_decoders_where_the_engine_leaves_cores(
    model: Path, sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.runtime import recognizer as recognizers
    from pptsn.runtime.decoding import decoders

    asked: list[int] = []

    def note_decoders(*arguments: Any, decoders: int, **options: Any) -> Any:
        asked.append(decoders)
        raise KeyboardInterrupt

    monkeypatch.setattr(decoders, "available_cores", lambda: 4)
    monkeypatch.setattr(recognizers, "available_cores", lambda: 4)
    monkeypatch.setattr(recognizers, "decoded_ahead", note_decoders)
    for threads in (None, 1):
        with Recognizer.open(model, threads=threads) as recognizer:
            for few in (sources[:1], sources):
                with pytest.raises(KeyboardInterrupt):
                    next(recognizer.classify_many(few))
            with pytest.raises(KeyboardInterrupt):
                recognizer.classify("one.mp4")
    assert asked == [0, 0, 0, 0, 3, 0]


@pytest.mark.parametrize(("views", "segments", "count"), [("ten", 25, 2), ("ten", 24, 0), ("center", 25, 0)])
def test_auto_takes_what_was_measured_for_clips_of_as_many_crops(
    model: Path, sources: list[Source], monkeypatch: pytest.MonkeyPatch, views: str, segments: int, count: int
) -> None:
    from pptsn.runtime import recognizer as recognizers

    asked: list[int] = []

    def note_decoders(*arguments: Any, decoders: int, **options: Any) -> Any:
        asked.append(decoders)
        raise KeyboardInterrupt

    monkeypatch.setattr(recognizers, "decoded_ahead", note_decoders)
    with open_engine(model) as engine, Recognizer(engine) as recognizer:
        engine.decoding = DecodersFound(decoders=2, crops_a_clip=125)
        with pytest.raises(KeyboardInterrupt):
            next(recognizer.classify_many(sources, views=views, segments=segments))
    assert asked == [count]


def command(model: Path, *arguments: object) -> list[str]:
    options = ["--model", model, "--threads", 1, "--segments", 4, *arguments]
    return [sys.executable, "-m", "pptsn", "classify", *map(str, options)]


# How fast it was, in the line that sums up.
RATE = re.compile(r"; [\d.e+]+ a second")


def answers(
    model: Path, names: Sequence[object], *arguments: object, **options: Any
) -> tuple[list[dict[str, Any]], str]:
    """Return the answers of a run of the program, without times, and what it said on standard error."""
    ended = subprocess.run(
        command(model, *names, "-o", "-", *arguments), capture_output=True, text=True, cwd=ROOT, **options
    )
    return lines_of(ended.stdout), RATE.sub("", ended.stderr)


@contextmanager
def started(
    model: Path, names: Path, *, decoders: int, stderr: int = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the program on the list `names`, in a session of its own; yield it, and the mark of its processes."""
    mark = f"classifying-{os.getpid()}-{time.monotonic_ns()}"
    with subprocess.Popen(
        command(model, f"@{names}", "-o", "-", "--decoders", decoders),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=ROOT,
        env={**os.environ, MARK: mark},
        start_new_session=True,
    ) as program:
        yield program, mark


def lines_of(text: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        line.pop("timing_ms", None)
    return lines


def test_the_command_answers_the_same_with_decoders(model: Path, sources: list[Source]) -> None:
    names = [source for source in sources if isinstance(source, str | Path)]
    plain, complaints = answers(model, names, "--decoders", 0)
    assert len(plain) == len(names)
    assert answers(model, names, "--decoders", 3) == (plain, complaints)


@pytest.mark.parametrize("text", ["many", "1.5"])
def test_an_option_that_makes_no_sense_is_one_line(run, model: Path, text: str) -> None:
    ended = run("classify", "a.mp4", "--model", model, "--decoders", text)
    assert ended.code == 2
    assert ended.err == f"pptsn: error: --decoders: expected auto or a number of 0 to 1024, got {text!r}\n"


def test_more_decoders_than_descriptors_are_a_note_and_all_answers(model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")

    def few_descriptors() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    plain, _ = answers(model, [clip] * 40, "--decoders", 0)
    found, complaints = answers(model, [clip] * 40, "--decoders", 30, preexec_fn=few_descriptors)
    assert found == plain
    note, summary = complaints.splitlines()
    assert summary.startswith("pptsn: 40 of 40 sources answered")
    assert note.startswith("pptsn: note: fewer than 30 decoders, as the system starts no more (")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_stopped_program_leaves_no_process(
    model: Path, long_list: Path, number: signal.Signals, code: int, interruptible: None
) -> None:
    with started(model, long_list, decoders=3) as (program, mark):
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        wait_until(lambda: len(marked_processes(mark)) >= 5)
        if number == signal.SIGINT:  # Ctrl-C reaches all processes of a terminal
            os.killpg(program.pid, number)
        else:
            program.send_signal(number)
        program.stdout.close()
        complaints = program.stderr.read()
        assert program.wait(20) == code
    wait_until(lambda: marked_processes(mark) == [])
    assert complaints == ("pptsn: stopped; what was answered until now is kept\n" if code > 0 else "")


@pytest.mark.slow
@pytest.mark.shared
def test_real_and_mutated_clips_give_the_same_lines_and_kills_cost_their_clips(
    model: Path, shared_dir: Path, tmp_path: Path
) -> None:
    real = [Path(name) for name in contents_of(shared_dir / "clips").videos]
    kinds = [Path(source) for source in all_kinds(tmp_path / "kinds") if isinstance(source, Path)]
    small = [path for path in [*real, *kinds] if path.is_file() and path.stat().st_size < 2_000_000]
    chance = random.Random(12)
    mutated = [
        mutate(origin, tmp_path / f"{number:03}{origin.suffix}", seed=number)
        for number, origin in enumerate(chance.choice(small) for _ in range(500))
    ]
    names = tmp_path / "list"
    names.write_text("".join(f"{path}\n" for path in [*real, *mutated]))
    plain, complaints = answers(model, [f"@{names}"], "--decoders", 0)
    assert len(plain) == len(real) + 500
    assert sum("error" in line for line in plain) >= 20
    assert answers(model, [f"@{names}"], "--decoders", 4) == (plain, complaints)

    found, kills = _answers_under_fire(model, names, chance)
    lost = {index for index, line in enumerate(found) if "its decoder crashed (SIGKILL)" in line.get("error", "")}
    assert kills == 20
    assert 0 < len(lost) <= kills
    assert [line["source"] for line in found] == [line["source"] for line in plain]
    assert {index for index, lines in enumerate(zip(found, plain, strict=True)) if lines[0] != lines[1]} <= lost


def _answers_under_fire(model: Path, names: Path, chance: random.Random) -> tuple[list[dict[str, Any]], int]:
    """Return the answers of a run of which twenty decoders were killed, and how many were."""
    kills, printed = 0, []
    with started(model, names, decoders=4, stderr=subprocess.DEVNULL) as (program, mark):
        assert program.stdout is not None
        for line in program.stdout:
            printed.append(line)
            if kills < 20 and len(printed) % 20 == 0:
                decoders = [pid for pid in marked_processes(mark) if _is_decoder(pid, program.pid)]
                if decoders:
                    os.kill(chance.choice(decoders), signal.SIGKILL)
                    kills += 1
    return lines_of("".join(printed)), kills


def _is_decoder(process: int, program: int) -> bool:
    """Whether a process was forked by the fork server of `program`."""
    return not is_ended(process) and _parent(_parent(process)) == program


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_a_logit_is_the_same_to_the_bit(model: Path, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{frames}.mp4", frames=frames) for frames in (30, 45)]
    with Recognizer.open(model, threads=1) as recognizer:
        plain, pooled = (list(recognizer.classify_many(clips, decoders=decoders)) for decoders in (0, 2))
    for one, other in zip(plain, pooled, strict=True):
        assert isinstance(one, Classification)
        assert isinstance(other, Classification)
        np.testing.assert_array_equal(one.logits, other.logits)
