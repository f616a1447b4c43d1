from pathlib import Path

import numpy as np
import onnx
import pytest

from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import load_model, write_model
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.preprocess import normalise
from tests.models import tiny_network, tiny_spec


def test_the_batch_is_the_only_dynamic_dimension() -> None:
    graph, spec = compose_deployment(tiny_network(), tiny_spec(), mirror=True)
    assert spec.mirror
    (crops,), (logits,) = graph.graph.input, graph.graph.output
    assert crops.name == "crops"
    assert crops.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in crops.type.tensor_type.shape.dim] == ["N", 32, 32, 3]
    assert [d.dim_param or d.dim_value for d in logits.type.tensor_type.shape.dim] == ["N", 4]
    assert not {"Shape", "Gather", "ConstantOfShape"} & {n.op_type for n in graph.graph.node}


def test_uint8_goes_into_a_cast_alone() -> None:
    for mirror in (True, False):
        graph, _ = compose_deployment(tiny_network(), tiny_spec(), mirror=mirror)
        assert [n.op_type for n in graph.graph.node if "crops" in n.input] == ["Cast"]


def test_every_node_has_a_name_of_its_own() -> None:
    graph, _ = compose_deployment(tiny_network(), tiny_spec(), mirror=True)
    names = [n.name for n in graph.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mirror", [True, False])
def test_preprocessing_inside_is_preprocessing_outside(tmp_path: Path, mirror: bool) -> None:
    spec = tiny_spec(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    graph, spec = compose_deployment(tiny_network(), spec, mirror=mirror)
    write_model(graph, spec, tmp_path / "m.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    weight = onnx.numpy_helper.to_array(tiny_network().graph.initializer[0])

    def by_hand(batch: np.ndarray) -> np.ndarray:
        return np.tensordot(normalise(batch, mean=spec.mean, std=spec.std), weight, axes=((1, 2, 3), (1, 2, 3)))

    expected = (by_hand(crops) + by_hand(crops[:, :, ::-1])) / 2 if mirror else by_hand(crops)
    with open_engine(tmp_path / "m.onnx") as engine:
        np.testing.assert_allclose(engine.infer(crops), expected, atol=1e-4)


def test_a_network_that_does_not_fit_its_spec_is_refused() -> None:
    with pytest.raises(ModelError, match=r"spec expects \(\[\[3, 32, 32\]\], \[\[2\]\]\)"):
        compose_deployment(tiny_network(), tiny_spec(labels=("a", "b")), mirror=True)


def test_a_written_model_comes_back(tmp_path: Path) -> None:
    graph, spec = compose_deployment(tiny_network(), tiny_spec(), mirror=True)
    write_model(graph, spec, tmp_path / "m.onnx")
    loaded, found = load_model(tmp_path / "m.onnx")
    assert found == spec
    assert loaded.graph == graph.graph
