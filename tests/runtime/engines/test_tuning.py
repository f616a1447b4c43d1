"""Which runs take their time to start, and that the choice reaches the engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pptsn.cli.program import main
from pptsn.runtime.base import progress
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.settings import EngineSettings
from pptsn.runtime.engines.tuning import TUNINGS, tuning_for
from pptsn.runtime.stream.run.live import run_live
from pptsn.runtime.stream.run.settings import LiveRun
from tests.clips import write_clip
from tests.models import write_tiny_model
from tests.runtime.engines.onnxruntime.cuda_build import CUDA, CudaBuild


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> CudaBuild:
    return CudaBuild(monkeypatch, CUDA)


def is_full(build: CudaBuild) -> bool:
    """Whether a session with fused convolutions was opened."""
    return any(provider[1].get("fuse_conv_bias") == 1 for provider, *_ in build.asked)


def test_what_is_asked_for_is_done_and_auto_weighs_the_crops() -> None:
    for crops in (0, 10**9, None):
        assert tuning_for("fast", crops=crops) == "fast"
        assert tuning_for("full", crops=crops) == "full"
    assert tuning_for("auto", crops=1000 * 125) == "fast"
    assert tuning_for("auto", crops=1500 * 125) == "full"
    assert tuning_for("auto", crops=None) == "full"
    with pytest.raises(UsageError, match="--tuning: unknown tuning 'slow'; choose one of auto, fast, full"):
        tuning_for("slow", crops=0)


def test_an_unknown_tuning_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--tuning"):
        open_engine(tmp_path / "there is none.onnx", tuning="quick")


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_cpu_has_no_use_for_it(model: Path, tuning: str) -> None:
    with open_engine(model, device="cpu", tuning=tuning) as engine:
        assert engine.notes == ()


@pytest.mark.parametrize(("worth", "options", "full"), [(1, [], True), (10**9, [], False), (1, ["fast"], False)])
def test_classify_tunes_where_the_sources_are_worth_it_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    build: CudaBuild,
    model: Path,
    tmp_path: Path,
    worth: int,
    options: list[str],
    full: bool,
) -> None:
    monkeypatch.setattr("pptsn.runtime.engines.tuning._WORTH_CROPS", worth)
    clip = str(write_clip(tmp_path / "a.mp4"))
    tuning = [part for option in options for part in ("--tuning", option)]
    monkeypatch.setattr(sys, "argv", ["pptsn", "classify", clip, "--model", str(model), *tuning])
    with pytest.raises(SystemExit) as ending:
        main()
    assert not ending.value.code
    assert is_full(build) is full
    said = (
        "pptsn: note: full tuning: convolutions are fused for one frame's crops and for 64 before the first answer"
    )
    assert (said in capsys.readouterr().err) is full


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_classify_says_which_shapes_and_why_where_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    build: CudaBuild,
    model: Path,
    tmp_path: Path,
    options: list[str],
) -> None:
    clip = str(write_clip(tmp_path / "a.mp4"))
    arguments = [*options, "classify", clip, "--model", str(model), "--views", "center", "--device", "cuda"]
    monkeypatch.setattr(sys, "argv", ["pptsn", *arguments])
    with pytest.raises(SystemExit) as ending:
        main()
    progress.set_verbose(False)
    assert not ending.value.code
    said = "pptsn: batches have 1, 4, 8, 16, 32 or 64 crops, as the GPU prepares itself anew for each number"
    assert (said in capsys.readouterr().err) is bool(options)


@pytest.mark.parametrize(("tuning", "full"), [("auto", True), ("fast", False)])
def test_a_stream_tunes_unless_it_is_told_otherwise(
    build: CudaBuild, model: Path, tmp_path: Path, tuning: str, full: bool
) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    assert run_live(LiveRun(sources=[str(clip)], model=str(model), runner=EngineSettings(tuning=tuning))) == 0
    assert is_full(build) is full
