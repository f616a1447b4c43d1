"""`pptsn stream`, as its users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from pptsn.runtime.engines import Batch, Engine, open_engine
from tests.clips import write_clip
from tests.models import write_tiny_model
from tests.runtime.stream.camera import Camera
from tests.runtime.workers.processes import is_ended
from tests.waiting import SOON_S, WAIT_S, wait_until

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.onnx")


@contextmanager
def started(*arguments: object, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Yield the program, running in a process of its own, for half a minute at most."""
    command = [sys.executable, "-m", "pptsn", "stream", *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )  # type: ignore[call-overload]
    limit = threading.Timer(2 * WAIT_S, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.wait()


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def processes_below(pid: int) -> set[int]:
    """Return the processes that descend from `pid`."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | processes_below(child)
    return found


@pytest.mark.parametrize("variable", ["PPTSN_MAX_PICTURE_MB", "PPTSN_MAX_MODEL_MB"])
def test_a_bound_that_is_none_is_wrong_usage_before_anything_runs(  # type: ignore[no-untyped-def]
    run, monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, variable: str
):
    clip, out = write_clip(tmp_path / "clip.mp4", frames=8), tmp_path / "out.jsonl"
    monkeypatch.setenv(variable, "1\n2")
    ended = run("stream", clip, "--model", model, "-o", out)
    assert ended.code == 2
    assert ended.err.startswith(f"pptsn: error: {variable}: is '1\\n2'; expected ")
    assert len(ended.err.splitlines()) == 1
    assert not out.exists()


def test_a_file_gives_lines_events_and_a_summary(run_fd, model: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    out = tmp_path / "out.jsonl"
    ended = run_fd(
        "stream", clip, "--model", model, "--window", 0.8, "--segments", 4, "-o", out, "--threshold", "0.01:0.001"
    )
    assert ended.code == 0
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert len(rows) == 10
    assert {row[1] for row in rows} == {"clip.mp4"}
    assert "clip.mp4: ended" in ended.err
    written = lines_of(out)
    kinds = [line["type"] for line in written]
    assert kinds.count("prediction") == 10
    assert kinds.count("event") == 8  # each of four classes starts and ends
    assert [line["detail"] for line in written if line.get("state") == "ended"] == [""]


@pytest.mark.parametrize("said", [{}, {"stream_window_s": 0.8, "stream_segments": 4}])
def test_one_line_says_how_streams_are_looked_at(run_fd, tmp_path: Path, said: dict[str, object]):  # type: ignore[no-untyped-def]
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    model = write_tiny_model(tmp_path / "m.onnx", **said)
    ended = run_fd("stream", clip, "--model", model, "--views", "ten")
    decided = "--window 0.8 --segments 4 (as the model says)" if said else "--window 4 --segments 8 (by default)"
    lines = [line for line in ended.err.splitlines() if "looked at" in line]
    assert lines == [f"pptsn: note: streams are looked at as by {decided}, --views ten (as given)"]
    assert len(ended.out.splitlines()) == (10 if said else 4)


def test_one_that_fails_makes_the_code_1_and_is_told_even_when_quiet(run_fd, model: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    ended = run_fd("--quiet", "stream", clip, tmp_path / "none.mp4", "--model", model)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "none.mp4: there is no such file" in ended.err


@pytest.mark.parametrize(
    "output", [[], ["-o", "out.jsonl"], ["-o", "out-{stream}.mp4"], ["--http", "127.0.0.1:0"]]
)
def test_quiet_shows_predictions_only_where_they_go_nowhere_else(  # type: ignore[no-untyped-def]
    run_fd, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: list[str]
):
    monkeypatch.chdir(tmp_path)
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    ended = run_fd("--quiet", "stream", clip, "--model", model, *output)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split("\t")[1] for line in ended.out.splitlines()] == ([] if output else ["clip.mp4"] * 4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_order(model: Path, tmp_path: Path, number: signal.Signals, interruptible: None):
    out, video = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    with (
        Camera() as camera,
        started(camera.url, "--model", model, "--window", 0.4, "-o", out, "-o", video) as process,
    ):
        wait_until(lambda: len(lines_of(out)) > 20)
        descendants = processes_below(process.pid)
        process.send_signal(number)
        started_s = time.monotonic()
        _, errors = process.communicate(timeout=WAIT_S)
        assert time.monotonic() - started_s < SOON_S
        assert process.returncode == 0, errors
    assert lines_of(out)[-1]["state"] == "ended"
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 10
    wait_until(lambda: all(map(is_ended, descendants)))


def test_killed_it_leaves_no_process_behind(model: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    with started("synthetic:?live=1", "--model", model, "--window", 0.4, "-o", out) as process:
        wait_until(lambda: len(lines_of(out)) > 5)
        descendants = processes_below(process.pid)
        assert len(descendants) >= 2
        process.kill()
    wait_until(lambda: all(map(is_ended, descendants)))


def test_standard_input_is_a_source(model: Path, tmp_path: Path):
    clip = write_clip(tmp_path / "clip.ts", frames=40)
    with open(clip, "rb") as stdin, started("-", "--model", model, "-o", "-", stdin=stdin) as process:
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in out.splitlines()]
    assert sum(line["type"] == "prediction" for line in lines) == 4  # 1.6 s, one each half second


@pytest.mark.slow
def test_standard_input_may_pause_for_longer_than_the_timeout(model: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    source = "stdin:?format=rawvideo&size=320x240&pixel_format=rgb24&fps=10"
    second = bytes(10 * 320 * 240 * 3)
    with started(source, "--model", model, "--timeout", 0.5, "-o", out, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(2):
            process.stdin.buffer.write(second)
            process.stdin.flush()
            wait_until(lambda n=number: sum(line["type"] == "prediction" for line in lines_of(out)) >= 2 * n + 1)
            time.sleep(2)
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
    assert sum(line["type"] == "prediction" for line in lines_of(out)) == 4
    assert lines_of(out)[-1]["state"] == "ended"


def test_annotated_videos_are_named_after_their_streams(run_fd, model: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", frames=50)
    ended = run_fd("stream", tmp_path / "?.mp4", "--model", model, "-o", tmp_path / "out-{stream}.ts")
    assert ended.code == 0
    for name in "ab":
        with av.open(str(tmp_path / f"out-{name}.mp4.ts")) as container:
            times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        assert len(times) == 50
        assert times[-1] - times[0] == pytest.approx(49 / 25, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gopher://x"], 2, "gopher"),
        (["-", "-"], 2, "standard input is named more than once"),
        (["synthetic:", "--window", "0"], 2, "--window"),
        (["synthetic:", "--max-wait-ms", "nan"], 2, "--max-wait-ms: expected 0 to 60000 milliseconds"),
        (["synthetic:", "--max-wait-ms", "-1"], 2, "--max-wait-ms: expected 0 to 60000 milliseconds"),
        (["synthetic:", "--policy", "latest"], 2, "newest, oldest, block"),
        (["synthetic:", "--classes", "gren"], 2, "'green'"),
        (["synthetic:", "--threshold", "1.5"], 2, "--threshold"),
        (["synthetic:", "-o", "out.xml"], 2, ".xml"),
        (["synthetic:", "-o", "/dev/null/out.jsonl"], 1, "/dev/null/out.jsonl"),
        (["synthetic:", "synthetic:", "-o", "out.mp4"], 2, "out-{stream}.mp4"),
        (["synthetic:", "--http", "0.0.0.0:0"], 2, "--http-token"),
        (["synthetic:", "--http", "nowhere"], 2, "HOST:PORT"),
    ],
)
def test_what_makes_no_sense_is_one_line(  # type: ignore[no-untyped-def]
    run_fd,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
):
    monkeypatch.chdir(tmp_path)
    ended = run_fd("stream", *arguments, "--model", model)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err
    assert ended.err.startswith("pptsn: error: ")
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_credentials_are_shown_nowhere(run_fd, model: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    out = tmp_path / "out.jsonl"
    url = "rtsp://admin:hunter2@127.0.0.1:1/live?token=hunter2"
    ended = run_fd("stream", url, "--model", model, "--max-retries", 0, "-o", out, "-o", tmp_path / "out.csv")
    assert ended.code == 1
    assert "refused" in ended.err
    everything = ended.out + ended.err + "".join(path.read_text() for path in tmp_path.iterdir())
    assert "hunter2" not in everything
    assert "admin" not in everything


def test_a_list_that_is_missing_does_not_stop_the_others(run_fd, model: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    ended = run_fd("stream", f"@{tmp_path}/none.txt", "synthetic:?seconds=1", "--model", model)
    assert ended.code == 1
    assert "none.txt" in ended.err
    assert "synthetic: ended" in ended.err


def test_model_is_no_output(run_fd, model: Path):  # type: ignore[no-untyped-def]
    link = model.with_suffix(".jsonl")
    os.link(model, link)
    ended = run_fd("stream", "synthetic:?seconds=1", "--model", model, "-o", link)
    assert ended.code == 2
    assert "is an input as well" in ended.err


def test_options_of_an_output_are_told_from_its_name(run_fd, model: Path):  # type: ignore[no-untyped-def]
    link = model.with_name("what?.jsonl")
    os.link(model, link)
    ended = run_fd("stream", "synthetic:?seconds=1", "--model", model, "-o", f"{link}?only=events")
    assert (ended.code, ended.out) == (2, "")
    assert "is an input as well" in ended.err


def test_a_bad_line_of_a_list_does_not_stop_the_others(run_fd, model: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    cameras = tmp_path / "cameras.txt"
    cameras.write_text("gopher://x\nsynthetic:?seconds=1\n")
    ended = run_fd("--quiet", "stream", f"@{cameras}", "--model", model, "-o", "-")
    assert ended.code == 1
    assert ended.err.startswith(f"pptsn: error: @{cameras}:1: gopher://: unknown scheme; ")
    assert ended.err.count("\n") == 1
    assert '"state": "ended"' in ended.out


def fails_as_onnxruntime_does(batch_size: int | None = None, *, features: bool = False) -> tuple[Batch, ...]:
    """Fail with an error of no kind that we know."""
    raise RuntimeError("[ONNXRuntimeError] : 6 :\nout of memory")


def test_an_engine_that_fails_is_one_line_and_the_run_is_summed_up(  # type: ignore[no-untyped-def]
    run_fd, model: Path, monkeypatch: pytest.MonkeyPatch
):
    def open_broken(path: str, **options: object) -> Engine:
        engine = open_engine(path)
        monkeypatch.setattr(engine, "new_batches", fails_as_onnxruntime_does)
        return engine

    monkeypatch.setattr("pptsn.runtime.engines.settings.open_engine", open_broken)
    ended = run_fd("stream", "synthetic:?live=1", "--model", model)
    assert ended.code == 1
    why = "the engine failed (RuntimeError: [ONNXRuntimeError] : 6 : out of memory)"
    assert ended.err.splitlines()[-1] == f"pptsn: error: {model}: {why}"
    assert "Traceback" not in ended.err
    assert "predictions  stale" in ended.err


def test_a_signal_while_the_model_is_loaded_ends_before_it_begins(  # type: ignore[no-untyped-def]
    run_fd, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def open_interrupted(path: str, **options: object) -> Engine:
        signal.raise_signal(signal.SIGINT)
        return open_engine(path)

    monkeypatch.setattr("pptsn.runtime.engines.settings.open_engine", open_interrupted)
    out = tmp_path / "out.jsonl"
    ended = run_fd("stream", "synthetic:?live=1", "--model", model, "-o", out)
    assert ended == (0, "", "")
    assert not out.exists()


@pytest.mark.slow
def test_closing_the_terminal_ends_in_order(model: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    with started("synthetic:?live=1", "--model", model, "--window", 0.4, "-o", out) as process:
        wait_until(lambda: len(lines_of(out)) > 3)
        process.send_signal(signal.SIGHUP)
        _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert lines_of(out)[-1]["state"] == "ended"


@pytest.mark.parametrize("arguments", [[], ["-o", "-"]])
def test_it_ends_when_the_reader_of_all_its_output_goes(model: Path, arguments: list[str]):
    with started("synthetic:?live=1", "--model", model, *arguments) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(WAIT_S) == 0
        errors = process.stderr.read()
    assert "ended: stopped" in errors or "-" in arguments
    assert "works again" not in errors
    assert "Traceback" not in errors


def test_it_goes_on_without_a_reader_where_there_is_another_output(model: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    with started("synthetic:?live=1", "--model", model, "--window", 0.4, "-o", out) as process:
        process.stdout.readline()
        process.stdout.close()
        written = len(lines_of(out))
        wait_until(lambda: len(lines_of(out)) > written + 20)
        process.terminate()
        assert process.wait(WAIT_S) == 0
        errors = process.stderr.read()
    assert errors.count("pptsn: standard output: its reader has gone\n") == 1
    assert "works again" not in errors


@pytest.mark.parametrize("arguments", [["--quiet"], ["-o", "-"]])
def test_a_service_tells_trouble_and_its_end(model: Path, arguments: list[str]):
    with Camera() as camera, started(*arguments, camera.url + "?name=door", "--model", model) as process:
        threading.Thread(target=process.stdout.read, daemon=True).start()
        if "-" in arguments:
            assert "streams are looked at" in process.stderr.readline()
        wait_until(lambda: camera.connections)
        time.sleep(0.5)
        camera.off()
        assert process.stderr.readline().startswith("pptsn: door: retrying: ")
        camera.on()
        lines = iter(process.stderr.readline, "")
        assert "pptsn: door: works again\n" in lines
        process.terminate()
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    "redirections",
    [
        "<&- >&- 2>&-",
        "2>/dev/full",
        *(pytest.param(each, marks=pytest.mark.slow) for each in (">&-", "2>&-", "2</dev/null")),
    ],
)
@pytest.mark.slow
def test_files_are_written_without_standard_streams(model: Path, tmp_path: Path, redirections: str):
    out = tmp_path / "out.jsonl"
    command = [
        sys.executable,
        "-m",
        "pptsn",
        "stream",
        "synthetic:?seconds=1",
        "--model",
        str(model),
        "-o",
        str(out),
    ]
    shell = ["bash", "-c", f'exec "$@" {redirections}', "bash", *command]
    # Buffered, as it is for users: what cannot be written stays in the buffer.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, timeout=30, env=environment)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert lines_of(out)[-1]["state"] == "ended"
    assert all(line["type"] in ("prediction", "notice") for line in lines_of(out))


@pytest.mark.parametrize(
    ("arguments", "redirection", "said"),
    [
        (["-"], "<&-", "standard input: is closed; pipe a video into the program"),
        (["synthetic:", "-o", "-"], ">&-", "standard output: is closed; leave out --output -, or"),
    ],
)
def test_a_closed_stream_that_is_asked_for_is_one_line(
    model: Path, arguments: list[str], redirection: str, said: str
):
    command = [sys.executable, "-m", "pptsn", "--quiet", "stream", *arguments, "--model", str(model)]
    shell = ["bash", "-c", f'exec "$@" {redirection}', "bash", *command]
    ended = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"pptsn: error: {said}")
    assert ended.stderr.count("\n") == 1
