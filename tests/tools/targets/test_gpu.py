"""The targets of a GPU, by the same code on a CPU: what is measured, not how fast it is."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pptsn.benchmarks.measure.method import Method
from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.graph.network import Network
from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.pictures import drawn_crops
from tests.clips import write_clip
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tools.gains.plain_network import write_plain_network
from tools.targets.gpu import (
    DeviceNetwork,
    _run_engine,
    _views,
    measure_gpu_clip,
    measure_gpu_offline,
)

BRIEF = Method(repeats=2, least_s=0.01, least_iterations=2)


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("fp32") / "m.onnx")


@pytest.fixture(scope="module", params=[True, False], ids=["mirrored", "plain"])
def fp16(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fp16") / "m.fp16.onnx"
    network = Network(tiny_network(), tiny_spec(mirror=request.param), source="the tiny model")
    to_fp16(network).write(path)
    return path


def test_a_clip_is_timed_from_its_file_to_its_answer(fp32: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mp4", frames=24)
    result = measure_gpu_clip(fp32, clip, BRIEF, device="cpu", segments=3)
    assert result.settings == {
        "target": "gpu_clip_ms",
        "model": "m.onnx",
        "precision": "fp32",
        "backend": "onnxruntime cpu",
        "clip": "c.mp4",
        "segments": 3,
        "views": "ten",
    }
    measured = result["gpu_clip_ms"]
    assert (len(measured.repeats), measured.better) == (2, "lower")
    assert measured.value is not None
    assert measured.value > 0
    assert result.facts["bound"] == "<= 60 ms"


def test_the_share_is_of_the_bare_networks_views(fp32: Path) -> None:
    result = measure_gpu_offline(fp32, BRIEF, device="cpu", batches=2)
    share = result["gpu_share_of_network_percent"]
    own, bare = result["views_per_s"], result["network_views_per_s"]
    expected = [100 * a / b for a, b in zip(own.repeats, bare.repeats, strict=True)]
    assert share.repeats == pytest.approx(expected)
    assert result.facts["bound"] == ">= 80 %"
    assert (own.better, bare.better) == ("higher", "")


def test_an_fp16_model_is_compared_with_its_network_in_fp16(fp16: Path, tmp_path: Path) -> None:
    result = measure_gpu_offline(fp16, BRIEF, device="cpu", batches=1)
    assert result.settings["precision"] == "fp16"
    network = onnx.load(write_plain_network(fp16, tmp_path / "n.onnx", precisions=("fp32", "fp16")))
    weights = {tensor.data_type for tensor in network.graph.initializer if len(tensor.dims) > 1}
    assert weights == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_both_sides_do_the_same_work(fp32: Path, fp16: Path, tmp_path: Path, precision: str) -> None:
    model = {"fp32": fp32, "fp16": fp16}[precision]
    network_file = write_plain_network(model, tmp_path / "n.onnx", precisions=("fp32", "fp16"))
    with open_engine(model, device="cpu") as engine:
        crops = drawn_crops(engine.batch_size, engine.spec.crop_size)
        views = _views(crops, engine)
        assert len(views) == (2 if engine.spec.mirror else 1) * len(crops)
        with DeviceNetwork(network_file, views, device="cpu", precision="fp32") as network:
            network.run()
            bare = network.logits()
        own = _run_engine(engine, crops, 3)
    assert np.abs(bare - bare.mean(axis=0)).max() > 0.01, "these crops would not tell a missing one"
    np.testing.assert_allclose(own, bare.mean(axis=0), atol=1e-5 if precision == "fp32" else 1e-2)


def test_another_precision_is_refused_before_anything_runs(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", precision="int8")
    with pytest.raises(UsageError, match="not measured in INT8"):
        measure_gpu_offline(model, BRIEF, device="cpu")


def test_a_machine_without_the_device_is_one_line(fp32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    views = np.zeros((1, 3, 32, 32), np.float32)
    with pytest.raises(MissingDependencyError, match="has no CUDA"):
        DeviceNetwork(fp32, views, device="cuda", precision="fp32")


def test_without_the_package_onnx_the_command_that_installs_it_is_named(
    fp16: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_onnx(name: str, *arguments: Any) -> Any:
        if name == "onnx" or name.startswith("onnx."):
            raise ImportError("No module named 'onnx'")
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(MissingDependencyError, match="pip install"):
        write_plain_network(fp16, tmp_path / "n.onnx", precisions=("fp32", "fp16"))
