"""Streams that lose pictures: a state while nearly all come out damaged, a notice of any other loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.stream.capture.damage import DamageWatch
from pptsn.runtime.stream.pipeline.settings import StreamSettings
from tests.clips import cut_file, damage_packets, write_clip
from tests.models import write_tiny_model
from tests.runtime.stream.running import run_streams

FRAMES = 60
SETTINGS = StreamSettings(window_s=1.0, segments=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.onnx")


def damaged(path: Path, percent: int) -> Path:
    write_clip(path, frames=FRAMES, width=192, height=128, options={"g": "1", "threads": "1"})
    chosen = np.random.default_rng(0).permutation(FRAMES)[: FRAMES * percent // 100]
    return damage_packets(path, chosen.tolist(), overwrite=True)


def test_damage_of_any_degree_is_told(model: Path, tmp_path: Path) -> None:
    percents = (0, 10, 50, 100)
    files = [damaged(tmp_path / f"p{percent}.mp4", percent) for percent in percents]
    run = run_streams(model, files, SETTINGS)
    for percent in percents:
        notices = run.notices(f"p{percent}.mp4")
        told = [detail for _, detail in notices if "damaged" in detail]
        assert bool(told) == (percent > 0), notices
        assert any(state == "damaged" for state, _ in notices) == (percent == 100), notices


def test_a_file_that_ends_early_is_told(model: Path, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", frames=FRAMES)
    cut = cut_file(write_clip(tmp_path / "cut.mkv", frames=FRAMES), 0.5)
    run = run_streams(model, [whole, cut], SETTINGS)
    for name, told in (("whole.mkv", 0), ("cut.mkv", 1)):
        early = [detail for _, detail in run.notices(name) if "the file ends early: " in detail]
        assert len(early) == told
        assert all(detail.endswith(" of 2.4 s") for detail in early)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95, 1.0])
def test_nearly_all_pictures_must_be_damaged_for_the_state(share: float) -> None:
    watch, rng = DamageWatch("h264"), np.random.default_rng(1)
    states = []
    for corrupt in rng.permutation(200) < share * 200:
        watch.add(corrupt=bool(corrupt), lost=0)
        states.append(watch.is_damaged)
    assert watch.damaged == round(share * 200)
    assert states[-1] == (share > 0.9)
    assert not any(states[:11])


def test_pictures_that_do_not_come_count_as_damaged_ones() -> None:
    watch = DamageWatch("vp9")
    for number in range(1, 6):
        watch.add(corrupt=False, lost=20 * number)
    assert (watch.is_damaged, watch.damaged) == (True, 0)
    for _ in range(25):
        watch.add(corrupt=False, lost=100)
    assert not watch.is_damaged


def test_a_decoder_that_calls_all_damaged_is_believed_from_the_first_whole_picture_on() -> None:
    watch = DamageWatch("wmv3")
    for _ in range(50):
        watch.add(corrupt=True, lost=0)
    assert (watch.is_damaged, watch.damaged) == (False, 0)
    watch.add(corrupt=False, lost=0)
    watch.add(corrupt=True, lost=0)
    assert watch.damaged == 1
