"""OpenVINO passes the gates of a verification, and what is wrong with a model fails them through it as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.int8.conversion import convert_to_int8
from pptsn.convert.int8.options import Int8Options
from pptsn.convert.verify.chain import verify_chain
from pptsn.convert.verify.limits import Gates
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.base.errors import VerificationError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.pictures import drawn_crops
from tests.convert.int8.test_conversion import no_bar
from tests.convert.precision_models import balanced_network, write_clips, write_residual_model
from tests.models import needs_openvino, write_tiny_model

pytestmark = needs_openvino


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = write_clips(tmp_path_factory.mktemp("clips"))
    return sorted(map(str, folder.iterdir()))


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory, clips: list[str]) -> Path:
    """A network with residual additions, in FP32 and quantized for both targets."""
    folder = tmp_path_factory.mktemp("residual")
    write_residual_model(folder / "m.onnx", balanced_network(Path(clips[0]).parent))
    for target in ("cpu", "tensorrt"):
        options = Int8Options(target=target, method="min-max", frames=48, min_agreement=0, cache=False)
        convert_to_int8(folder / "m.onnx", folder / f"m.{target}.onnx", clips, options=options, bar=no_bar)
    return folder


def test_fp32_gives_what_paddle_gave(run, export: Path, tmp_path: Path) -> None:
    convert_to_onnx(export, tmp_path / "m.onnx")
    ending = run("verify", tmp_path / "m.onnx", "--reference", export, "--backend", "openvino")
    assert (ending.code, ending.err) == (0, "")


def test_altered_weights_fail(export: Path, clips: list[str], tmp_path: Path) -> None:
    first = write_tiny_model(tmp_path / "a.onnx")
    other = write_tiny_model(tmp_path / "b.onnx", mean=(0.5, 0.5, 0.52))
    found = verify_chain([first, other], clips, runs=Runs(segments=1, backend="openvino"), gates=Gates())
    with pytest.raises(VerificationError, match="more than the tolerance"):
        found.require_passed()


@pytest.mark.parametrize("target", ["cpu", "tensorrt"])
def test_int8_answers_as_onnxruntime_does_without_its_fusions(residual: Path, target: str) -> None:
    path = residual / f"m.{target}.onnx"
    with open_engine(path, backend="onnxruntime", device="cpu", optimise=False) as reference:
        crops = drawn_crops(500, reference.spec.crop_size)
        expected = reference.infer(crops)
    with open_engine(path, backend="openvino") as engine:
        found = engine.infer(crops)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.98
    assert len(set(expected.argmax(axis=1))) > 1
