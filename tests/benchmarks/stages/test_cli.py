"""`pptsn bench stages`, from its arguments to its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pptsn.cli.bench.stages import name_of
from tests.clips import write_clip
from tests.models import write_tiny_model

QUICK = ("--repeats", 2, "--seconds", 0.01, "--segments", 3, "--device", "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "a.mp4", frames=20)
    return folder


def test_it_shows_the_stages_writes_the_report_and_names_the_bottleneck(
    model: Path, clips: Path, tmp_path: Path, run: Any
) -> None:
    ending = run("bench", "stages", clips, "--model", model, *QUICK, "-o", tmp_path / "stages.json")
    assert ending.code == 0
    for name in ("demux", "decode", "colour", "resize", "batch wait", "compute", "aggregate", "emit"):
        assert name in ending.out
    (result,) = json.loads((tmp_path / "stages.json").read_text())["results"]
    assert result["settings"]["clips"] == clips.name
    assert result["settings"]["segments"] == 3
    assert "; try " in result["sentence"]
    assert json.loads(ending.out.splitlines()[-1])["top_line"] == result["sentence"]


def test_a_source_that_fails_is_named_and_the_others_are_measured(model: Path, clips: Path, run: Any) -> None:
    ending = run("bench", "stages", clips, clips / "none.mp4", "--model", model, *QUICK)
    assert ending.code == 1
    assert "none.mp4: there is no such file" in ending.err
    assert "decode" in ending.out


def test_where_no_source_can_be_used_there_is_one_line(model: Path, clips: Path, run: Any) -> None:
    ending = run("bench", "stages", clips / "none.mp4", "--model", model, *QUICK)
    assert ending.code == 1
    assert "there is no such file" in ending.err
    assert ending.out == ""


def test_what_cannot_be_written_is_told_before_anything_is_measured(model: Path, clips: Path, run: Any) -> None:
    ending = run("bench", "stages", clips, "--model", model, *QUICK, "-o", "report.pdf")
    assert ending.code == 2
    assert "report.pdf" in ending.err


def test_clips_are_called_by_what_names_them_on_any_machine() -> None:
    assert name_of(["/data/clips/"]) == "clips"
    assert name_of(["a/b.mp4", "@lists/test.txt", "*.avi"]) == "b.mp4, test.txt, *.avi"
    assert name_of(["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"]) == "a.mp4, b.mp4, c.mp4 and 2 more"
    assert name_of(["."]) == "."
