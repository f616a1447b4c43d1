"""What FP16 and INT8 cost a network that was trained: `make demo` in small, then every precision of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pptsn.convert.fp16.conversion import convert_to_fp16
from pptsn.convert.frames import calibration_sources
from pptsn.convert.graph.conversion import convert_to_onnx
from pptsn.convert.graph.files import load_model, write_model
from pptsn.convert.int8.conversion import convert_to_int8
from pptsn.convert.int8.options import Int8Options
from pptsn.convert.verify.chain import Chain, verify_chain
from pptsn.convert.verify.limits import Gates
from pptsn.convert.verify.runs import Runs
from pptsn.runtime.base.errors import VerificationError
from pptsn.runtime.classify.lists import Sample, read_list
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.preprocess import cut_crop, resize_frame
from pptsn.runtime.frames.views import crop_views
from pptsn.runtime.model.spec import ModelSpec
from pptsn.runtime.video import open_video
from pptsn.training.synthetic.dataset import SyntheticSet
from tests.convert.int8.test_conversion import no_bar
from tests.models import needs_openvino

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, synthetic_set: SyntheticSet) -> Path:
    """The models of a network that was trained for some minutes, and the lists of its data set."""
    from pptsn.training.export import export_model
    from pptsn.training.recipe import load_recipe
    from pptsn.training.trainer import train

    folder = tmp_path_factory.mktemp("trained")
    (folder / "set").symlink_to(synthetic_set.root)
    changes = [f"data.{split}={getattr(synthetic_set, split)}" for split in ("train", "val", "test", "labels")]
    changes += ["model.short_side=48", "model.crop_size=40"]
    recipe = load_recipe(Path(__file__).parents[2] / "configs" / "demo.yaml", changes)
    export_model(train(recipe, folder / "run").best_weights, folder / "export")
    convert_to_onnx(folder / "export", folder / "m.onnx")
    clips = calibration_sources(str(synthetic_set.train))
    convert_to_fp16(folder / "m.onnx", folder / "m.fp16.onnx", clips=clips)
    for target in ("tensorrt", "cpu"):
        options = Int8Options(target=target, cache=False)
        convert_to_int8(folder / "m.onnx", folder / f"m.{target}.onnx", clips, options=options, bar=no_bar)
    return folder


def chain(folder: Path, *names: str, backend: str = "onnxruntime", **gates: float) -> Chain:
    samples = read_list(folder / "set" / "test.txt")
    return verify_chain(
        [folder / name for name in names],
        [sample.path for sample in samples],
        runs=Runs(segments=2, views="ten", device="cpu", backend=backend),
        gates=Gates(**gates),
        labels=[sample.label for sample in samples],
    )


@pytest.mark.parametrize("backend", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_every_precision_keeps_the_answers(folder: Path, backend: str) -> None:
    found = chain(
        folder,
        "export",
        "m.onnx",
        "m.fp16.onnx",
        "m.tensorrt.onnx",
        "m.cpu.onnx",
        backend=backend,
        max_drop=1.0,
        min_agreement=0.98,
    )
    found.require_passed()
    paddle, fp32, fp16, *_ = found.links
    assert paddle.top1 is not None
    assert paddle.top1 > 0.8
    assert fp32.top1 == fp16.top1 == paddle.top1


def test_a_layer_with_a_wrong_scale_fails_the_gate(folder: Path) -> None:
    model, spec = load_model(folder / "m.tensorrt.onnx")
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    name = quantizers[len(quantizers) // 2].input[1]
    scale = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) / 64, name))
    write_model(model, spec, folder / "wrong.onnx")
    assert onnx.load(str(folder / "wrong.onnx")).graph.node[0].op_type
    found = chain(folder, "m.onnx", "wrong.onnx", max_drop=0.5)
    with pytest.raises(VerificationError, match="points of top-1"):
        found.require_passed()


@needs_openvino
@pytest.mark.parametrize(
    ("name", "least"), [("m.onnx", 1.0), ("m.fp16.onnx", 1.0), ("m.cpu.onnx", 0.98), ("m.tensorrt.onnx", 0.98)]
)
def test_openvino_answers_as_onnxruntime_does_without_its_fusions(folder: Path, name: str, least: float) -> None:
    samples = read_list(folder / "set" / "test.txt")[:150]
    with open_engine(folder / name, backend="onnxruntime", device="cpu", optimise=False) as reference:
        crops = read_crops(samples, reference.spec)
        expected = reference.infer(crops)
    with open_engine(folder / name, backend="openvino") as engine:
        found = engine.infer(crops)
    assert len(crops) >= 500
    if least == 1.0:
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= least


def read_crops(samples: Sequence[Sample], spec: ModelSpec) -> np.ndarray:
    """Return the five crops of one frame in the middle of each clip."""
    found = []
    for sample in samples:
        with open_video(sample.path) as video:
            (frame,) = video.read_sampled(lambda frames: [frames // 2])
        pixels = resize_frame(frame.pixels, short_side=spec.short_side, rule=spec.resize_rule)
        for view in crop_views("ten", pixels.shape[1], pixels.shape[0], size=spec.crop_size, mirror_in_graph=True):
            crop = np.empty((spec.crop_size, spec.crop_size, 3), np.uint8)
            cut_crop(pixels, view, out=crop)
            found.append(crop)
    return np.stack(found)
