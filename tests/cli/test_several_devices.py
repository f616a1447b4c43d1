"""What a user sees of several GPUs, by engines on the CPU in their place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.engines import DeviceError, Engine, open_engine
from pptsn.runtime.engines.several import SeveralEngines
from tests.clips import write_clip
from tests.models import write_tiny_model


def on_cpu(model: str | Path, *, fails_at: int = 1000) -> Engine:
    """Return an engine in place of a GPU's, which vanishes at its call number `fails_at`."""
    engine = open_engine(model, device="cpu")
    infer, calls = engine._infer_batch, [0]

    def infer_until(crops: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] >= fails_at:
            raise DeviceError("device cuda:1", "the GPU failed (lost)", "check it by: nvidia-smi")
        return infer(crops)

    engine._infer_batch = engine._infer = infer_until  # type: ignore[method-assign]
    return engine


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    model = write_tiny_model(tmp_path / "m.onnx")
    (tmp_path / "clips").mkdir()
    for number in range(6):
        write_clip(tmp_path / "clips" / f"{number}.mp4", frames=8 + number)
    return ["classify", tmp_path / "clips", "--model", model, "--segments", "4", "--device", "cuda:0,cuda:1"]


def gpus(monkeypatch: pytest.MonkeyPatch, *fail_at: int) -> None:
    """Have models opened on GPUs that vanish at these calls."""

    def opened(model: str | Path, **_: object) -> Engine:
        return SeveralEngines([on_cpu(model, fails_at=call) for call in fail_at])

    monkeypatch.setattr("pptsn.runtime.engines.settings.open_engine", opened)


def test_a_gpu_that_fails_is_told_once_and_nothing_is_lost(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[object]
) -> None:
    def answers() -> tuple[list[object], str]:
        output = tmp_path / "answers.jsonl"
        ending = run(*command, "-o", output)
        assert ending.code == 0
        found = [json.loads(line) for line in output.read_text().splitlines()]
        output.unlink()
        return [(answer["source"], answer["top"]) for answer in found], ending.err

    gpus(monkeypatch, 1000)
    one, silence = answers()
    gpus(monkeypatch, 1000, 3)
    several, told = answers()
    assert len(one) == 6
    assert several == one
    assert "left out" not in silence
    note = "pptsn: note: device cuda:1: the GPU failed (lost); it is left out, and its work goes to the others"
    assert told.count(note) == 1


def test_without_a_gpu_left_the_run_ends_in_one_line(
    run, monkeypatch: pytest.MonkeyPatch, command: list[object]
) -> None:
    gpus(monkeypatch, 2, 3)
    ending = run(*command)
    assert ending.code == 3
    assert "all of them failed, the last one so: the GPU failed (lost)" in ending.err
    assert "Traceback" not in ending.err
