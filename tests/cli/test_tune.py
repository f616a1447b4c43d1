"""`pptsn tune`, and that the commands use what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pptsn.runtime.engines.tuned import tuning_path
from pptsn.runtime.model.file import claims_of
from tests.clips import write_clip
from tests.models import write_tiny_model

USED = "pptsn: note: running as pptsn tune found on "


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's folder of caches, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def test_what_is_fastest_is_printed_kept_and_used(run, model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    tuned = run("tune", model, "--seconds", 0.2)
    assert tuned.code == 0
    assert "onnxruntime" in tuned.out
    assert tuned.out.strip().splitlines()[-1].startswith("fastest: ")
    path = tuning_path(claims_of(model).digest)
    assert f"it is kept in {path}" in tuned.err
    best, *_ = json.loads(path.read_text())["measured"]
    classified = run("classify", clip, "--model", model)
    assert classified.code == 0
    assert classified.err.startswith(USED)
    assert f"{best['setting']['batch_size']} crops a call" in classified.err
    by_hand = run("classify", clip, "--model", model, "--backend", "onnxruntime")
    assert (by_hand.code, by_hand.err) == (0, "")


def test_streams_use_it(run_fd, model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    assert run_fd("tune", model, "--seconds", 0).code == 0
    streamed = run_fd("stream", clip, "--model", model, "--window", 0.2)
    assert "note: running as pptsn tune found on " in streamed.err


def test_a_place_that_cannot_be_written_is_one_line(run, model: Path, cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    ending = run("tune", model, "--seconds", 0)
    assert ending.code == 1
    path = tuning_path(claims_of(model).digest)
    assert f"pptsn: error: {path}: cannot be written (" in ending.err
    assert "set XDG_CACHE_HOME to a writable folder" in ending.err


@pytest.mark.parametrize("device", ["cuda:0,cuda:1", "cuda:all"])
def test_several_devices_are_refused_before_anything_is_measured(
    run, monkeypatch: pytest.MonkeyPatch, model: Path, cache: Path, device: str
) -> None:
    monkeypatch.setattr("pptsn.runtime.engines.device.gpu_count", lambda: 2)
    ending = run("tune", model, "--device", device)
    assert ending.code == 2
    assert ending.err == (
        f"pptsn: error: --device: tune measures on one device, {device!r} names several; name one of them\n"
    )
    assert not cache.exists()


def test_no_time_is_endless(run, model: Path) -> None:
    ending = run("tune", model, "--seconds", "inf")
    assert ending.code == 2
    assert "--seconds" in ending.err


def test_other_files_are_refused(run, tmp_path: Path) -> None:
    plan = run("tune", tmp_path / "m.engine")
    assert plan.code == 2
    assert "tune: chooses what runs .onnx files" in plan.err
    (tmp_path / "x.onnx").write_text("no model")
    nonsense = run("tune", tmp_path / "x.onnx")
    assert nonsense.code == 1
    assert "is no ONNX model" in nonsense.err
