from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.runtime.base.errors import MissingDependencyError, ModelError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.spec import ModelSpec
from tests.convert.residual_network import SIZE, residual_model
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tools.gains.plain_network import PlainNetwork, write_plain_network
from tools.targets import tiny_model


def random_crops(size: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def plain_logits(model: Path, crops: np.ndarray, spec: ModelSpec) -> np.ndarray:
    with PlainNetwork(model) as network:
        return network.infer(normalise(crops, mean=spec.mean, std=spec.std))


@pytest.fixture(params=["tiny", "convolutions"])
def network(request: pytest.FixtureRequest) -> tuple[onnx.ModelProto, ModelSpec]:
    if request.param == "tiny":
        return tiny_network(), tiny_spec()
    return residual_model(), tiny_spec(crop_size=SIZE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def test_the_mean_over_a_crop_and_its_mirror_image_is_the_deployment_graphs_answer(
    tmp_path: Path, network: tuple[onnx.ModelProto, ModelSpec]
) -> None:
    graph, spec = compose_deployment(*network, mirror=True)
    write_model(graph, spec, tmp_path / "m.onnx")
    crops = random_crops(spec.crop_size)
    one, mirrored = (plain_logits(tmp_path / "m.onnx", views, spec) for views in (crops, crops[:, :, ::-1]))
    with open_engine(tmp_path / "m.onnx", device="cpu") as engine:
        np.testing.assert_allclose((one + mirrored) / 2, engine.infer(crops), atol=1e-5)
    assert np.abs(one - mirrored).max() > 1e-3, "these crops would not tell a missing mirror image"


def test_a_graph_without_mirror_images_has_the_same_network(
    tmp_path: Path, network: tuple[onnx.ModelProto, ModelSpec]
) -> None:
    graph, spec = compose_deployment(*network, mirror=False)
    write_model(graph, spec, tmp_path / "m.onnx")
    crops = random_crops(spec.crop_size)
    with open_engine(tmp_path / "m.onnx", device="cpu") as engine:
        np.testing.assert_allclose(plain_logits(tmp_path / "m.onnx", crops, spec), engine.infer(crops), atol=1e-5)


def test_nothing_but_the_network_is_left(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    plain = onnx.load(write_plain_network(model, tmp_path / "plain.onnx"))
    assert {node.op_type for node in plain.graph.node} == {"Conv", "Flatten"}
    assert [tensor.name for tensor in plain.graph.initializer] == ["weight"]
    (views,) = plain.graph.input
    assert [d.dim_param or d.dim_value for d in views.type.tensor_type.shape.dim] == ["N", 3, 32, 32]


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_other_precisions_are_refused(tmp_path: Path, precision: str) -> None:
    model = write_tiny_model(tmp_path / "m.onnx", precision=precision)
    with pytest.raises(ModelError, match=f"is in {precision.upper()}, the plain way needs FP32"):
        write_plain_network(model, tmp_path / "plain.onnx")
    assert not (tmp_path / "plain.onnx").exists()


def test_a_graph_of_another_structure_is_refused(tmp_path: Path) -> None:
    model = tiny_model.write_tiny_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"expected one Transpose of 'values', found 0.*pptsn convert onnx"):
        write_plain_network(model, tmp_path / "plain.onnx")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"mean": (0.4, 0.5, 0.5)}, "expected a Sub by"),
        ({"std": (0.5, 0.5, 0.4)}, "expected a Mul by"),
        ({"mirror": False}, "expected one Transpose of 'pixels'"),
    ],
)
def test_a_graph_that_does_other_things_than_its_spec_says_is_refused(
    tmp_path: Path, change: dict[str, Any], cause: str
) -> None:
    graph, _ = compose_deployment(tiny_network(), tiny_spec(), mirror=True)
    write_model(graph, tiny_spec(**({"mirror": True} | change)), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=cause):
        write_plain_network(tmp_path / "m.onnx", tmp_path / "plain.onnx")


def test_without_the_package_onnx_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    real_import = builtins.__import__

    def without_onnx(name: str, *arguments: Any) -> Any:
        if name == "onnx" or name.startswith("onnx."):
            raise ImportError("No module named 'onnx'")
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(MissingDependencyError, match="pip install"):
        write_plain_network(model, tmp_path / "plain.onnx")


def test_a_closed_network_says_so(tmp_path: Path) -> None:
    network = PlainNetwork(write_tiny_model(tmp_path / "m.onnx"))
    network.close()
    network.close()
    with pytest.raises(ValueError, match="closed"):
        network.infer(np.zeros((1, 3, 32, 32), np.float32))
