"""Measuring again what `pptsn tune` tried."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.engines.tuned import Setting
from tests.models import write_tiny_model
from tools.tuning import measured_again


def test_every_setting_has_a_rate(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    settings = [
        Setting(backend="onnxruntime", device="cpu", threads=threads, batch_size=size)
        for threads, size in ((None, 5), (1, 10))
    ]
    rates = measured_again(model, settings, rounds=2, seconds=0)
    assert list(rates) == settings
    assert min(rates.values()) > 0
