"""The page about Python: its examples about files and frames run, and say what they should."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.convert.precision_models import write_residual_model
from tests.convert.residual_network import FEATURES
from tests.docs.markdown import ROOT, blocks
from tests.models import LABELS, write_tiny_model

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = [block.text for block in blocks(PAGE) if block.language == "python"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the examples name."""
    for folder in ("output", "clips"):
        (tmp_path / folder).mkdir()
    write_tiny_model(tmp_path / "output" / "model.onnx")
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clip, tmp_path / "clips" / name)
    (tmp_path / "clips" / "c.mp4").write_text("no video")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example_with(call: str) -> str:
    """Return the one example in which `call` is made."""
    (found,) = (code for code in EXAMPLES if call in code)
    return found


def run(code: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that an example prints."""
    exec(compile(code, "docs/python.md", "exec"), {"__name__": "example"})  # noqa: S102
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("place")
def test_the_example_of_a_file_prints_its_classes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(example_with('classify("clip.mp4"'), capsys)
    assert {line.split()[0] for line in lines} == set(LABELS)


@pytest.mark.usefixtures("place")
def test_the_example_of_many_files_prints_answers_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, broken = run(example_with("classify_many(clips"), capsys)
    assert first.replace("a.mp4", "b.mp4") == second
    assert first.split()[1] in LABELS
    assert broken.startswith("clips/c.mp4: ")


@pytest.mark.usefixtures("place")
def test_the_example_of_labelled_clips_prints_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    right, *wrong = run(example_with("Labelled("), capsys)
    assert right == f"{3 - len(wrong)} of 3 right"
    assert wrong[-1] == f"clips/c.mp4 {LABELS[0]}"
    assert len(wrong) >= 2  # one clip under two labels, and none that can be read


@pytest.mark.usefixtures("place")
def test_the_example_of_frames_prints_answers(capsys: pytest.CaptureFixture[str]) -> None:
    counted, timed, first, second = run(example_with("np.array_split"), capsys)
    assert counted.split()[0] == "30"
    assert counted.split()[1] in LABELS
    assert timed.startswith("1.2 [")
    assert [first.split()[0], second.split()[0]] == ["first", "second"]


@pytest.mark.usefixtures("place")
def test_the_example_of_frames_as_they_come_prints_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(example_with("stream.push(frame)"), capsys)
    assert [line.split()[0] for line in lines] == ["0.00", "0.28", "0.52", "0.76", "1.00"]
    assert {line.split()[2] for line in lines} <= set(LABELS)


def test_the_example_of_features_prints_their_shapes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_residual_model(place / "output" / "model.onnx")
    example = example_with("features_many(clips")
    shapes, frames, alike = run(f"{example}\nprint(alike.round(3).tolist())", capsys)
    assert shapes == f"({FEATURES},) (8, {FEATURES})"
    assert frames.split()[-1] in LABELS
    assert alike == "[[1.0, 1.0], [1.0, 1.0]]"
