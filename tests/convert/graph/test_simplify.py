from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, parser

from pptsn.convert.graph.simplify import simplify
from pptsn.runtime.base.errors import ModelError


def network() -> onnx.ModelProto:
    """Return a network in Paddle2ONNX's manner: constants as nodes, identities, batch norm, a computed shape."""
    model = parser.parse_model("""<ir_version: 9, opset_import: ["" : 19]>
        net (float[B, 3, 8, 8] x) => (float[B, 5] y) {
            c = Conv<kernel_shape = [3, 3]>(x, w)
            n = BatchNormalization<epsilon = 0.001>(c, gain, shift, mean, variance)
            i = Identity(n)
            r = Relu(i)
            g = GlobalAveragePool(r)
            s = Shape(g)
            first = Slice(s, zero, one, zero)
            target = Concat<axis = 0>(first, rest)
            f = Reshape(g, target)
            unused = Relu(f)
            y = Identity(f)
        }""")
    rng = np.random.default_rng(0)
    values = {
        "w": rng.normal(size=(5, 3, 3, 3)),
        "gain": rng.uniform(0.5, 2, 5),
        "shift": rng.normal(size=5),
        "mean": rng.normal(size=5),
        "variance": rng.uniform(0.1, 2, 5),
    }
    tensors = {name: value.astype(np.float32) for name, value in values.items()}
    tensors |= {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1])}
    for name, value in tensors.items():
        node = model.graph.node.add(op_type="Constant", output=[name])
        attribute = node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
        attribute.t.CopyFrom(numpy_helper.from_array(value))
        model.graph.node.remove(node)
        model.graph.node.insert(0, node)
    return model


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_the_result_is_plain_and_computes_the_same() -> None:
    model = network()
    x = np.random.default_rng(1).normal(size=(4, 3, 8, 8)).astype(np.float32)
    before = run(model, x)
    simplify(model)
    onnx.checker.check_model(model, full_check=True)
    assert Counter(n.op_type for n in model.graph.node) == Counter(
        ["Conv", "Relu", "GlobalAveragePool", "Flatten"]
    )
    assert len(model.graph.initializer) == 2
    assert [output.name for output in model.graph.output] == ["y"]
    np.testing.assert_allclose(run(model, x), before, atol=1e-5)


def test_an_existing_bias_is_folded_too() -> None:
    model = network()
    bias = model.graph.initializer.add()
    bias.CopyFrom(numpy_helper.from_array(np.arange(5, dtype=np.float32), "b"))
    next(n for n in model.graph.node if n.op_type == "Conv").input.append("b")
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    before = run(model, x)
    simplify(model)
    np.testing.assert_allclose(run(model, x), before, atol=1e-5)


def test_a_batch_norm_without_its_own_convolution_is_an_error() -> None:
    model = network()
    relu = next(n for n in model.graph.node if n.op_type == "Relu")
    relu.input[0] = "c"  # now two nodes read the convolution's result
    with pytest.raises(ModelError, match="does not follow a convolution of its own"):
        simplify(model)
