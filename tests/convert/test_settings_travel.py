"""What a model says of how it is to be run is in every file made from it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pptsn.convert.fp16.conversion import convert_to_fp16
from pptsn.convert.frames import calibration_sources
from pptsn.convert.int8.conversion import convert_to_int8
from pptsn.convert.int8.options import Int8Options
from pptsn.runtime.model.file import ModelFile
from tests.convert.int8.test_conversion import no_bar
from tests.convert.precision_models import write_clips, write_residual_model

STREAMS = {"stream_window_s": 2.5, "stream_segments": 5, "stream_views": "three"}


@pytest.mark.parametrize("said", [{}, {**STREAMS, "segments": 7, "views": "center", "temperature": 1.5}])
def test_conversions_change_the_precision_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, object]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = write_residual_model(tmp_path / "m.onnx", **said)
    clips = calibration_sources(str(write_clips(tmp_path / "clips")))
    convert_to_fp16(model, tmp_path / "fp16.onnx")
    for target in ("tensorrt", "cpu"):
        options = Int8Options(target=target, frames=48, method="min-max")
        convert_to_int8(model, tmp_path / f"{target}.onnx", clips, options=options, bar=no_bar)
    spec = ModelFile.open(model).spec
    assert {name: getattr(spec, name) for name in said} == said
    for name, precision in (("fp16", "fp16"), ("tensorrt", "int8"), ("cpu", "int8")):
        expected = dataclasses.replace(spec, precision=precision)
        assert ModelFile.open(tmp_path / f"{name}.onnx").spec == expected
