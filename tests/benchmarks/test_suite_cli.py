import json
from pathlib import Path

import pytest

from pptsn.benchmarks import suite
from tests.clips import write_clip
from tests.models import write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    names = [write_clip(tmp_path / f"{number}.mp4", frames=12).name for number in range(3)]
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{name} {number}\n" for number, name in enumerate(names)))
    return path


def test_the_sweep_of_the_suite_measures_the_model_on_the_list(run_fd, model, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "_SWEPT_SEGMENTS", (1,))
    options = ["--repeats", 1, "--seconds", 0.01, "--folder", tmp_path, "-o", tmp_path / "r.json"]
    ending = run_fd("bench", "run", "--model", model, "--list", clips, "--only", "sweep", *options)
    assert ending.code == 0, ending.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert [result["settings"]["views"] for result in report["results"]] == ["ten", "center"]
    last = json.loads(ending.out.splitlines()[-1])
    assert any(name.startswith("sweep model=m.onnx") for name in last["figures"])


def test_a_missing_model_is_told_before_anything_is_made_or_measured(run, tmp_path):
    ending = run("bench", "run", "--model", tmp_path / "none.onnx", "--folder", tmp_path / "made")
    assert ending.code == 1
    assert "none.onnx" in ending.err
    assert ending.out == ""
    assert not (tmp_path / "made").exists()


def test_an_output_that_is_an_input_is_refused(run, model, clips):
    link = clips.with_suffix(".json")
    link.symlink_to(clips)
    ending = run("bench", "run", "--model", model, "--list", clips, "-o", link)
    assert ending.code == 2
    assert "is an input as well" in ending.err.replace("\n", " ")
    assert clips.read_text().startswith("0.mp4")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "livee"], "there is no part"),
        (["--sweep-model", "a.onnx"], "name their list by --list"),
        (["--only", "sweep"], "takes clips"),
        (["--threads", "0"], "--threads: expected 1 to 1024, got 0"),
        (["--device", "tpu"], "tpu"),
        (["-o", "report.pdf"], "has no ending that is known"),
        (["-o", "/proc/report.json"], "cannot be written"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_measured(run, model, options, words):
    ending = run("bench", "run", "--model", model, *options)
    assert ending.code == 2
    assert words in ending.err.replace("\n", " ")
    assert ending.out == ""
