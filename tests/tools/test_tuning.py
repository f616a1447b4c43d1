"""Measuring again what `pptsn tune` tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.runtime.engines.tuned import Setting
from pptsn.runtime.tune.run import TuneRun
from tests.clips import write_clip
from tests.models import write_tiny_model
from tools.tuning import decoders_again, measured_again, show


def test_every_setting_has_a_rate(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    settings = [
        Setting(backend="onnxruntime", device="cpu", threads=threads, batch_size=size)
        for threads, size in ((None, 5), (1, 10))
    ]
    rates = measured_again(model, settings, rounds=2, seconds=0)
    assert list(rates) == settings
    assert min(rates.values()) > 0


def test_every_number_of_decoders_has_a_rate(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    setting = Setting(backend="onnxruntime", device="cpu", threads=None, batch_size=5)
    asked = TuneRun(path=model, seconds=0, clip=clip)
    rates = decoders_again(asked, setting, {0: 100.0, 1: 50.0}, rounds=2, seconds=0)
    assert list(rates) == [0, 1]
    assert min(rates.values()) > 0


def test_rates_are_shown_beside_that_of_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    show({0: 10.0, 1: 12.5, 2: 5.0}, 0, "clips/s by decoders:")
    assert capsys.readouterr().out.splitlines() == [
        "1.25 of the choice: 12.50 clips/s by decoders: 1",
        "1.00 of the choice: 10.00 clips/s by decoders: 0  <- chosen",
        "0.50 of the choice: 5.00 clips/s by decoders: 2",
    ]
