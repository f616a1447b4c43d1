"""`pptsn tune`, and that the commands use what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pptsn.runtime.base.processor_time import ProcessorTime
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


def test_what_is_fastest_is_printed_kept_and_used(
    run, monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    # Of several backends few crops may be done sooner by another than the fastest.
    monkeypatch.setattr("pptsn.runtime.tune.search.candidates", lambda path: ["onnxruntime"])
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    tuned = run("tune", model, "--seconds", 0.2, "--clip", clip)
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
    folder = run("classify", *[clip] * 4, "--model", model)
    decoders = json.loads(path.read_text())["decoding"]["decoders"]
    assert folder.code == 0
    assert f"pptsn: note: --decoders auto: {decoders}, as pptsn tune found\n" in folder.err
    assert f"; decoders: {decoders}" in tuned.out
    by_hand = run("classify", clip, "--model", model, "--backend", "onnxruntime")
    assert (by_hand.code, by_hand.err) == (0, "")


def test_streams_use_it(run_fd, model: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    assert run_fd("tune", model, "--seconds", 0, "--clip", clip).code == 0
    streamed = run_fd("stream", clip, "--model", model, "--window", 0.2)
    assert "note: running as pptsn tune found on " in streamed.err


def nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*arguments: object, **details: object) -> float:
        raise AssertionError("it is measured")

    monkeypatch.setattr("pptsn.runtime.tune.search.crops_per_second", measured)


def test_a_place_that_cannot_be_written_is_one_line_before_anything_is_measured(
    run, monkeypatch: pytest.MonkeyPatch, model: Path, cache: Path
) -> None:
    nothing_is_measured(monkeypatch)
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


@pytest.mark.parametrize(
    ("name", "cause"), [("none.mp4", "there is no such file"), ("m.onnx", "is not a video that can be opened")]
)
def test_a_clip_that_is_none_is_one_line_before_anything_is_measured(
    run, monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, name: str, cause: str
) -> None:
    nothing_is_measured(monkeypatch)
    ending = run("tune", model, "--clip", tmp_path / name)
    assert ending.code == 1
    assert ending.err.startswith(f"pptsn: error: {tmp_path / name}: {cause}")
    assert ending.err.count("\n") == 1


@pytest.mark.parametrize("taken_s", [0.0, 30.0])
def test_a_busy_machine_is_told(
    run, monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, taken_s: float
) -> None:
    passed = ProcessorTime(total_s=100.0, busy_s=50 + taken_s, own_s=50.0, stolen_s=0.0)
    monkeypatch.setattr("pptsn.runtime.base.processor_time.ProcessorWatch.passed", lambda self: passed)
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    ending = run("tune", model, "--seconds", 0, "--clip", clip)
    assert ending.code == 0
    said = (
        "pptsn: warning: other programs used 30% of the processors while it was measured, "
        "so what was found may be due to that; tune again when it is quiet\n"
    )
    assert (said in ending.err) == bool(taken_s)


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
