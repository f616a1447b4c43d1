"""Whole sweeps, in processes, on tiny models and clips."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from pptsn.benchmarks.measure.method import Method
from pptsn.benchmarks.measure.results import Result
from pptsn.benchmarks.sweep import run
from pptsn.benchmarks.sweep.cells import Cell, Findings, Job, cells_of
from pptsn.benchmarks.sweep.clips import read_clips
from pptsn.benchmarks.sweep.outcomes import results_of
from pptsn.benchmarks.sweep.process import CellError
from pptsn.cli.bench import sweep as cli
from pptsn.runtime.base.errors import InputError, UsageError
from tests.benchmarks.sweep.findings import findings
from tests.models import write_tiny_model


def sweep(cells: list[Cell], *, list_path: Path, method: Method) -> list[Result]:
    clips = read_clips(list_path)
    return results_of(list(run.run_cells(cells, clips, method=method)), clips)


@pytest.mark.slow
def test_a_cell_that_fails_says_why_and_the_others_go_on(
    clips_folder: Path, tmp_path: Path, quick: Method, unruly_cells: None
) -> None:
    write_tiny_model(tmp_path / "a.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    # Another mean: the pale clip is red for this one.
    write_tiny_model(tmp_path / "z.onnx", precision="int8", mean=(0.5, 0.7, 0.5))
    models = [tmp_path / name for name in ("a.onnx", "broken.onnx", "killed.onnx", "z.onnx")]
    cells = cells_of(models, views=["center"], segments=[2], batches=[None, 1], device="cpu")
    results = sweep(cells, list_path=clips_folder / "test.txt", method=quick)
    assert [(r.settings["model"], r.settings["batch"], bool(r.error)) for r in results] == [
        ("a.onnx", "auto", False),
        ("a.onnx", 1, False),
        ("broken.onnx", "auto", True),
        ("broken.onnx", 1, True),
        ("killed.onnx", "auto", True),
        ("killed.onnx", 1, True),
        ("z.onnx", "auto", False),
        ("z.onnx", 1, False),
    ]
    assert "broken.onnx: is no ONNX model" in results[2].error
    assert "SIGKILL" in results[4].error
    # Of five clips one cannot be read, which is wrong, and the pale one is right for the second model alone.
    assert [r["top1_percent"].value for r in results if not r.error] == [60.0, 60.0, 80.0, 80.0]
    assert [r.facts["batch_size"] for r in results if not r.error] == [5, 1, 10, 1]
    for result in results:
        if not result.error:
            check_measured(result)


def check_measured(result: Result) -> None:
    assert result.facts["clips"] == 5
    (line,) = result.facts["unreadable_clips"]
    assert "broken.mp4: " in line
    for name in ("latency_p50_ms", "clips_per_s", "crops_per_s", "views_per_s", "peak_memory_mb", "model_size_mb"):
        assert result[name].value is not None, name
        assert result[name].value > 0  # type: ignore[operator]
    # Two frames of one crop each, averaged with its mirror image in the graph.
    assert result["crops_per_s"].value == pytest.approx(2 * result["clips_per_s"].value)  # type: ignore[operator]
    assert result["views_per_s"].value == pytest.approx(2 * result["crops_per_s"].value)  # type: ignore[operator]


def test_a_list_without_labels_gives_agreement(clips_folder: Path, tmp_path: Path, quick: Method) -> None:
    models = [
        write_tiny_model(tmp_path / "a.onnx"),
        write_tiny_model(tmp_path / "b.onnx", mean=(0.5, 0.7, 0.5)),
    ]
    results = sweep(
        cells_of(models, views=["center"], segments=[2]), list_path=clips_folder / "paths.txt", method=quick
    )
    # Of four clips that can be read, the pale one is another class for the second model.
    assert [r["agreement_percent"].value for r in results] == [100.0, 75.0]


def test_the_machine_is_watched_before_each_cell_and_after_the_last(
    clips_folder: Path, tmp_path: Path, unruly_cells: None
) -> None:
    method = Method(repeats=1, least_s=0.01)
    sweep(cells_of([tmp_path / "killed.onnx"], segments=[1, 2]), list_path=clips_folder, method=method)
    assert method.watch.findings()["probes"] == 3


def test_the_whole_list_is_answered_once_for_all_batches(
    clips_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first cell of them that does not fail."""
    jobs: list[Job] = []

    def find(job: Job, *, timeout_s: float) -> Findings:
        jobs.append(job)
        if len(jobs) == 1:
            raise CellError("out of luck")
        return findings(answers={0: [0]} if job.answer_all else None)

    monkeypatch.setattr(run, "find_in_child", find)
    cells = cells_of(["a.onnx"], segments=[1, 2], batches=[None, 1, 2])
    clips = read_clips(clips_folder / "test.txt")
    outcomes = list(run.run_cells(cells, clips, method=Method(least_iterations=2)))
    assert [job.answer_all for job in jobs] == [True, True, False, True, False, False]
    assert [outcome.error for outcome in outcomes] == ["out of luck", *[""] * 5]
    # Two clips are timed, evenly spread, the same in all cells.
    assert {job.timed for job in jobs} == {(0, 2)}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "report.json"


@pytest.fixture
def call(clips_folder: Path, published: Path) -> Callable[..., int]:
    """Return a function that runs the command and returns its exit code."""

    def called(*arguments: object) -> int:
        app = typer.Typer()
        app.command()(cli.sweep)
        app.callback()(lambda: None)  # so that the command has a name
        fixed = ["--list", clips_folder / "test.txt", "--views", "center", "--segments", "1", "--device", "cpu"]
        short = ["--repeats", 1, "--seconds", 0.01, "-o", published]
        code = app([str(a) for a in ("sweep", *fixed, *short, *arguments)], standalone_mode=False)
        return code if isinstance(code, int) else 0

    return called


def written(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["results"]  # type: ignore[no-any-return]


def test_the_command_writes_a_report_and_ends_with_0(
    call: Callable[..., int], published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--model", write_tiny_model(tmp_path / "a.onnx"), "--limit", 3) == 0
    (result,) = written(published)
    assert result["section"] == "sweep"
    assert result["settings"]["model"] == "a.onnx"
    figures = {m["name"]: m for m in result["measurements"]}
    assert figures["top1_percent"]["value"] == 100 * 2 / 3
    captured = capsys.readouterr()
    assert isinstance(json.loads(captured.out.splitlines()[-1]), dict)


def test_unreadable_clips_are_told_and_a_failed_cell_ends_with_1(
    call: Callable[..., int], published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    good = write_tiny_model(tmp_path / "a.onnx")
    assert call("--model", tmp_path / "broken.onnx", "--model", good) == 1
    assert [bool(result["error"]) for result in written(published)] == [True, False]
    errors = " ".join(capsys.readouterr().err.split())
    assert "broken.onnx: is no ONNX model" in errors
    assert "1 of the clips cannot be read" in errors


@pytest.mark.usefixtures("interruptible", "unruly_cells")
def test_ctrl_c_keeps_what_was_measured(call: Callable[..., int], published: Path, tmp_path: Path) -> None:
    good, other = write_tiny_model(tmp_path / "a.onnx"), tmp_path / "interrupts.onnx"
    assert call("--model", good, "--model", other, "--batch", "auto,1") == 130
    assert [(r["settings"]["model"], r["settings"]["batch"]) for r in written(published)] == [
        ("a.onnx", "auto"),
        ("a.onnx", 1),
    ]
    assert not Path(f"/proc/{other.read_text()}").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "cause"),
    [
        (["--views", "five"], UsageError, "'five'"),
        (["--segments", "1,two"], UsageError, "--segments: expected a whole number, got 'two'"),
        (["--segments", ","], UsageError, "no cell to measure"),
        (["--batch", "some"], UsageError, "--batch: expected a whole number"),
        (["-o", "report.txt"], UsageError, "no ending that is known"),
        (["--list", os.devnull + ".txt"], InputError, "cannot be read"),
    ],
)
def test_what_makes_no_sense_ends_before_a_cell_is_run(
    call: Callable[..., int], published: Path, arguments: list[str], error: type[Exception], cause: str
) -> None:
    with pytest.raises(error, match=cause):
        call("--model", "none.onnx", *arguments)
    assert not published.exists()
