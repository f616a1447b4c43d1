from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import precisions
from tests.models import write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def ending(*arguments: object) -> int | str | None:
    """Return the exit code of the program, None where it ends of itself."""
    try:
        precisions.main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return exit_.code
    return None


def test_each_model_has_a_line_and_the_last_is_json(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "BATCHES", (5, 25))
    other = write_tiny_model(tmp_path / "n.onnx", precision="int8")
    assert ending(model, other, "--repeats", 1) is None
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [str(model), str(other)]
    figures = json.loads(lines[-1])
    assert figures["best"][0]["speedup"] == 1
    assert [row["engine"].split(",")[0] for row in figures["best"]] == ["fp32", "int8"]
    assert len(figures["all"]) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        (["none.onnx"], 1, "none.onnx: cannot be read"),
        (["M", "--device", "gpu"], 2, "cpu, cuda or cuda:N"),
        (["M", "M"], 2, "is named twice"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_a_code(
    model: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, cause: str
) -> None:
    assert ending(*(model if argument == "M" else argument for argument in arguments)) == code
    error = capsys.readouterr().err
    assert error.startswith("precisions: error: ")
    assert cause in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("repeats", ["0", "-1", "many"])
def test_repeats_are_one_or_more(model: Path, capsys: pytest.CaptureFixture[str], repeats: str) -> None:
    assert ending(model, "--repeats", repeats) == 2
    assert "expected a whole number of 1 or more" in capsys.readouterr().err
