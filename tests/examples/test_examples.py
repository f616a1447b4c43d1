"""The programs and the notebook of `examples/` run, and say what they should."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clips import write_clip
from tests.convert.precision_models import write_residual_model
from tests.models import LABELS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NOTEBOOK = json.loads((EXAMPLES / "first_look.ipynb").read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
MODEL = "output/demo/model.onnx"
COUNT = 7


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that looks like a checkout in which `make demo` has run."""
    clips = tmp_path / "output" / "demo" / "data" / "test"
    for folder in (clips, tmp_path / "examples"):
        folder.mkdir(parents=True)
    write_residual_model(tmp_path / MODEL)  # it has features
    first = write_clip(clips / "00000_a.mp4", frames=40)
    for number in range(1, COUNT):
        shutil.copy(first, clips / f"0000{number}_a.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run an example as a program; return how it ended."""
    monkeypatch.setattr(sys, "argv", [name, *arguments, "--model", MODEL])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return ended.value.code


def test_a_folder_becomes_a_table_with_doubtful_answers_on_top(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = place / "output" / "demo" / "data" / "test"
    write_clip(clips / "00001_a.mp4", frames=9)
    (clips / "broken.mp4").write_text("no video")
    assert run("folder_to_csv.py", str(clips), "-o", "x.csv", monkeypatch=monkeypatch) == 1
    with (place / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(Path(row["source"]).name for row in rows) == [f"0000{number}_a.mp4" for number in range(COUNT)]
    assert {row["label"] for row in rows} <= set(LABELS)
    margins = [float(row["margin"]) for row in rows]
    assert margins == sorted(margins)
    assert margins[0] < margins[-1]
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"{COUNT} of {COUNT + 1} clips are in x.csv"
    assert said.err.startswith(f"{clips}/broken.mp4: ")


@pytest.mark.usefixtures("place")
def test_a_part_of_a_video_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = "output/demo/data/test/00000_a.mp4"
    assert run("opencv_frames.py", clip, monkeypatch=monkeypatch) == 0
    whole, *classes = capsys.readouterr().out.splitlines()
    assert whole == "40 frames"
    assert {line.split()[-1] for line in classes} <= set(LABELS)
    assert run("opencv_frames.py", clip, "--start", "0.4", "--end", "0.8", monkeypatch=monkeypatch) == 0
    part = int(capsys.readouterr().out.split()[0])
    assert 10 <= part <= 11


@pytest.mark.usefixtures("place")
def test_a_window_slides_over_a_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clip = "output/demo/data/test/00000_a.mp4"
    assert run("live_window.py", clip, "--window", "0.8", "--segments", "4", monkeypatch=monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [float(line.split()[0]) for line in lines] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4]
    assert ["the window is filling" in line for line in lines] == [True] * 3 + [False] * 5


def test_the_clips_that_look_most_like_one_come_first(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = place / "output" / "demo" / "data" / "test"
    others = [str(write_clip(clips / f"{frames}.mp4", frames=frames)) for frames in (9, 20)]
    (clips / "broken.mp4").write_text("no video")
    same = str(clips / "00003_a.mp4")
    arguments = (str(clips / "00000_a.mp4"), others[0], str(clips / "broken.mp4"), same, others[1])
    assert run("similar_clips.py", *arguments, "--count", "2", monkeypatch=monkeypatch) == 1
    said = capsys.readouterr()
    first, second = (line.split() for line in said.out.splitlines())
    assert first == ["1.000", same]
    assert second[1] in others
    assert said.err.startswith(f"{clips}/broken.mp4: ")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", ["opencv_frames.py", "live_window.py", "folder_to_csv.py"])
def test_what_is_not_there_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = run(name, "missing", monkeypatch=monkeypatch)
    assert re.fullmatch(r"error: missing: [\w ]+", str(code))


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_to_its_last_cell(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(pyplot.gcf()))
    monkeypatch.chdir(place / "examples")
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(CODE):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)  # noqa: S102
    assert len(shown) == len(pictures()) > 0
    pyplot.close("all")
    said = capsys.readouterr().out
    assert said.startswith(", ".join(LABELS))
    assert "the same logits: True" in said
    assert names["predictions"][-1].time_s > 10


def pictures() -> list[str]:
    """Return the pictures of the notebook, as text."""
    return [
        output["data"]["image/png"]
        for cell in CODE
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]


def test_the_notebook_holds_the_outputs_of_one_whole_run() -> None:
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    kinds = {output["output_type"] for cell in CODE for output in cell["outputs"]}
    assert kinds == {"stream", "display_data"}
    assert (
        len(pictures()) == sum("plt.show()" in line for cell in CODE for line in cell["source"]) + 1
    )  # in show()
    assert (EXAMPLES / "first_look.ipynb").stat().st_size < 400_000


def test_every_example_is_described() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `examples/(\S+)`", page, re.MULTILINE)) == sorted(
        path.name for path in EXAMPLES.iterdir() if path.is_file()
    )
