from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.checks import check_file
from pptsn.convert.fp16.conversion import convert_to_fp16
from pptsn.convert.fp16.options import Fp16Options
from pptsn.convert.frames import calibration_sources
from pptsn.runtime.base.errors import ModelError, UsageError, VerificationError
from pptsn.runtime.engines import open_engine
from tests.convert.fp16.test_cast import replace
from tests.convert.precision_models import residual_spec, write_clips, write_residual_model
from tests.convert.residual_network import residual_model, residual_network


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_residual_model(tmp_path / "m.onnx")


def test_the_file_answers_as_fp32_does_at_half_the_size(model: Path, clips: Path) -> None:
    output = model.with_name("m.fp16.onnx")
    report = convert_to_fp16(model, output, clips=calibration_sources(str(clips)))
    assert report.figures.rows == 24
    assert 0 < report.figures.error_worst < 0.01
    assert report.figures.top1 == 1
    assert output.with_suffix(".report.json").is_file()
    with open_engine(output, device="cpu") as engine:
        assert engine.spec == residual_spec(precision="fp16")
        crops = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
        assert engine.infer(crops).dtype == np.float32


def test_tensorrt_would_refuse_nothing_in_it(model: Path) -> None:
    convert_to_fp16(model, model.with_name("m.fp16.onnx"))
    assert check_file(model.with_name("m.fp16.onnx")) == []


def test_without_clips_drawn_pictures_serve(model: Path) -> None:
    assert convert_to_fp16(model, model.with_name("m.fp16.onnx")).figures.rows == 16


def test_an_activation_beyond_fp16_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    overflowing = replace(residual_model(), "same2_b", np.full(16, 6e4))
    network = residual_network(replace(overflowing, "short_b", np.full(16, 6e4)))
    model = write_residual_model(tmp_path / "m.onnx", network)
    with pytest.raises(ModelError, match=r"'d0' reaches 2\d+ on real frames, FP16 ends at 65504"):
        convert_to_fp16(model, tmp_path / "m.fp16.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_tolerance_that_is_not_kept_leaves_the_old_file(model: Path) -> None:
    output = model.with_name("m.fp16.onnx")
    output.write_bytes(b"old")
    with pytest.raises(VerificationError, match="normalised logit error"):
        convert_to_fp16(model, output, options=Fp16Options(tolerance=1e-7))
    assert output.read_bytes() == b"old"


def test_a_model_is_neither_overwritten_nor_converted_twice(model: Path) -> None:
    with pytest.raises(UsageError, match="the model that it would be made from"):
        convert_to_fp16(model, model)
    convert_to_fp16(model, model.with_name("m.fp16.onnx"))
    with pytest.raises(ModelError, match="is fp16 already"):
        convert_to_fp16(model.with_name("m.fp16.onnx"), model.with_name("again.onnx"))


def test_an_output_of_another_kind_is_refused(model: Path) -> None:
    with pytest.raises(UsageError, match=r"name it .*m\.onnx"):
        convert_to_fp16(model, model.with_name("m.fp16"))
