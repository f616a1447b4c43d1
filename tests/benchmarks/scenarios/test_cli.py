from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pptsn.benchmarks.measure import publishing
from pptsn.cli.bench.scenario import scenario
from pptsn.runtime.base.errors import PptsnError, UsageError
from tests.clips import write_clip
from tools.targets.tiny_model import write_tiny_model


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the command publishes, instead of printing it."""
    calls: list[tuple[Any, ...]] = []

    def publish(results: Any, *, outputs: Any, method: Any, top_line: str) -> None:
        calls.append((results, outputs, method, top_line))

    monkeypatch.setattr(publishing, "publish", publish)
    monkeypatch.setattr(publishing, "check_outputs", lambda outputs, *, inputs=(): None)
    monkeypatch.chdir(tmp_path)  # where report.json is kept until it is published
    return calls


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


def bench(*arguments: object) -> int:
    app = typer.Typer()
    app.callback()(lambda: None)
    app.command()(scenario)
    result = CliRunner().invoke(app, ["scenario", *map(str, arguments)])
    if isinstance(result.exception, PptsnError):
        raise result.exception
    return result.exit_code


@pytest.mark.slow
def test_all_scenarios_are_measured_and_published(published: list[Any], model: Path) -> None:
    options = (
        "--model",
        model,
        "--views",
        "center",
        "--repeats",
        2,
        "--seconds",
        0.1,
        "-o",
        "report.json",
        "--driver",
        "own",
    )
    assert bench("all", *options, "--latency-bound", 5) == 0
    ((results, outputs, method, top_line),) = published
    assert [result.settings["scenario"] for result in results] == [
        "single-stream",
        "multi-stream",
        "server",
        "offline",
    ]
    assert (outputs, method.repeats, method.least_s) == (["report.json"], 2, 0.1)
    assert top_line.startswith("tiny.onnx: 1 frame alone takes")


def test_options_reach_the_measurement(published: list[Any], model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=12)
    options = (
        "--clip",
        clip,
        "--segments",
        3,
        "--batch",
        2,
        "--views",
        "three",
        "--repeats",
        1,
        "--seconds",
        0.05,
    )
    assert bench("offline", "--model", model, "--driver", "own", *options) == 0
    ((result,),) = [published[0][0]]
    assert result.settings | {} == {
        "scenario": "offline",
        "driver": "own",
        "model": "tiny.onnx",
        "precision": "fp32",
        "backend": "onnxruntime cpu",
        "views": "three",
        "batch": 2,
        "segments": 3,
    }
    assert result.facts["sample"] == "one frame of 3 crops, from frames of clip.mp4"


def test_an_engine_that_fails_makes_the_command_fail_after_publishing(
    published: list[Any], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine

    def fail(self: object, crops: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(OnnxRuntimeEngine, "_infer_batch", fail)
    assert bench("offline", "--model", model, "--driver", "own") == 1
    (result,) = published[0][0]
    assert result.error == "the engine failed: RuntimeError: out of luck"


def test_unknown_names_are_refused_before_the_model_is_opened(published: list[Any]) -> None:
    with pytest.raises(UsageError, match="unknown scenario 'on'"):
        bench("on", "--model", "none.onnx")
    with pytest.raises(UsageError, match="unknown driver 'mine'"):
        bench("all", "--model", "none.onnx", "--driver", "mine")
