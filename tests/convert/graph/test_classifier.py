from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from pptsn.convert.graph.classifier import expose_features, find_classifier
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.convert.graph.network import extract_network, load_network
from pptsn.convert.graph.view import GraphView
from pptsn.runtime.base.errors import ModelError
from tests.convert.residual_network import CLASSES, FEATURES, residual_model, residual_spec
from tests.models import tiny_network, tiny_spec

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
BIAS = np.array([10, 20], np.float32)


def classifying(how: str, weights: np.ndarray = WEIGHTS) -> onnx.ModelProto:
    """Return a graph x (B, 3) -> y (B, 2) of the nodes `how`, with the constants w and b."""
    model = parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 19]> g (float[B, 3] x) => (float[B, 2] y) {{{how}}}'
    )
    for name, value in (("w", weights), ("b", BIAS)):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    return model


@pytest.mark.parametrize(
    "how",
    [
        "z = Relu(x) m = MatMul(z, w) y = Add(m, b)",
        "z = Relu(x) m = MatMul(z, w) y = Add(b, m)",
        "z = Relu(x) y = Gemm(z, w, b)",
    ],
)
def test_a_classifier_is_found_with_its_constants(how: str) -> None:
    found = find_classifier(GraphView(classifying(how)))
    assert found is not None
    assert found.features == "z"
    np.testing.assert_array_equal(found.weights, WEIGHTS)
    np.testing.assert_array_equal(found.bias, BIAS)


def test_weights_may_lie_the_other_way_and_a_bias_be_missing() -> None:
    found = find_classifier(GraphView(classifying("z = Relu(x) y = Gemm<transB = 1>(z, w)", WEIGHTS.T.copy())))
    plain = find_classifier(GraphView(classifying("z = Relu(x) y = MatMul(z, w)")))
    assert found is not None
    assert plain is not None
    for each in (found, plain):
        np.testing.assert_array_equal(each.weights, WEIGHTS)
        assert not each.bias.any()


@pytest.mark.parametrize(
    "how",
    [
        "m = MatMul(x, w) y = Relu(m)",
        "m = MatMul(x, w) y = Mul(m, b)",
        "m = MatMul(x, w) y = Add(m, m)",
        "y = Gemm<alpha = 0.5>(x, w, b)",
        "t = Relu(w) y = MatMul(x, t)",
    ],
)
def test_what_is_no_constant_matrix_and_bias_is_none(how: str) -> None:
    model = classifying(how)
    assert find_classifier(GraphView(model)) is None
    expose_features(model)
    assert [value.name for value in model.graph.output] == ["y"]


@pytest.mark.parametrize("mirror", [True, False])
def test_the_graph_gives_logits_and_then_features(mirror: bool) -> None:
    model, spec = compose_deployment(residual_model(), residual_spec(features=0), mirror=mirror)
    assert spec == residual_spec(mirror=mirror)
    assert spec.outputs == {"logits": CLASSES, "features": FEATURES}
    widths = {value.name: value.type.tensor_type.shape.dim[1].dim_value for value in model.graph.output}
    assert widths == spec.outputs
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("mirror", [True, False])
def test_an_old_graph_gets_features_when_it_is_converted(tmp_path: Path, mirror: bool) -> None:
    model = residual_model()
    del model.graph.output[1:]
    old, spec = compose_deployment(model, residual_spec(features=0), mirror=mirror)
    assert spec.outputs == {"logits": CLASSES}
    write_model(old, spec, tmp_path / "old.onnx")
    load_network(tmp_path / "old.onnx").write(tmp_path / "new.onnx")
    new = load_network(tmp_path / "new.onnx")
    assert new.spec == residual_spec(mirror=mirror)
    assert len(new.graph.output) == 2


def test_a_network_without_a_classifier_gives_logits_alone() -> None:
    model, spec = compose_deployment(tiny_network(), tiny_spec(features=7), mirror=True)
    assert spec.features == 0
    assert [value.name for value in model.graph.output] == ["logits"]


@pytest.mark.parametrize("features", [0, FEATURES - 1])
def test_a_graph_that_gives_other_features_than_its_spec_says_is_refused(features: int) -> None:
    model, _ = compose_deployment(residual_model(), residual_spec(), mirror=True)
    with pytest.raises(ModelError, match=r"m\.onnx: is no deployment graph .*expected"):
        extract_network(model, residual_spec(features=features), source="m.onnx")
