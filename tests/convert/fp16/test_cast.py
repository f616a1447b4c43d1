import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.fp16.proof import with_rounded_results
from pptsn.convert.graph.session import NetworkSession
from pptsn.convert.verify.agreement import normalised_errors
from pptsn.runtime.base.errors import ModelError
from tests.convert.residual_network import residual_model, residual_network, views


def replace(model: onnx.ModelProto, name: str, values: np.ndarray) -> onnx.ModelProto:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    return model


def test_everything_between_the_ends_is_fp16() -> None:
    network = residual_network()
    half = to_fp16(network)
    onnx.checker.check_model(half.model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(half.model, strict_mode=True)
    inside = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    assert set(inside.values()) == {TensorProto.FLOAT16}
    assert {t.data_type for t in half.graph.initializer} == {TensorProto.FLOAT16}
    assert [v.type.tensor_type.elem_type for v in (half.graph.input[0], half.graph.output[0])] == [
        TensorProto.FLOAT
    ] * 2
    assert half.spec.precision == "fp16"
    assert network.model.SerializeToString() == residual_model().SerializeToString()


def test_answers_differ_by_rounding() -> None:
    network, batch = residual_network(), views(16)
    plain, half = NetworkSession(network).logits(batch), NetworkSession(to_fp16(network)).logits(batch)
    assert half.dtype == np.float32
    assert 0 < normalised_errors(half, plain).max() < 0.005


def test_rounded_results_err_more_than_rounded_weights_alone() -> None:
    network, batch = residual_network(), views(64)
    half = to_fp16(network)
    plain = NetworkSession(network).logits(batch)
    written = NetworkSession(half, optimise=False).logits(batch)
    rounded = NetworkSession(with_rounded_results(half), optimise=False).logits(batch)
    errors = [float(np.median(normalised_errors(logits, plain))) for logits in (written, rounded)]
    assert errors[0] < errors[1] < 0.005


def test_rounded_results_overflow_as_fp16_does() -> None:
    large = replace(residual_model(), "short_b", np.full(16, 6e4))
    del large.graph.output[1:]  # features are a result, and rounded everywhere
    half = to_fp16(residual_network(replace(large, "same2_b", np.full(16, 6e4))))
    assert np.isfinite(NetworkSession(half).logits(views(1))).all()
    assert not np.isfinite(NetworkSession(with_rounded_results(half), optimise=False).logits(views(1))).all()


def test_a_weight_beyond_fp16_is_named() -> None:
    broken = residual_network(replace(residual_model(), "short_b", np.full(16, -7e4)))
    with pytest.raises(ModelError, match=r"m\.onnx: 'short_b' holds 70000, FP16 ends at 65504"):
        to_fp16(broken)


def test_a_weight_below_fp16_becomes_zero_or_its_smallest() -> None:
    tiny = replace(residual_model(), "stem_b", np.array([1e-9, 1e-7, 0, 1, 1, 1, 1, 1]))
    half = to_fp16(residual_network(tiny))
    values = next(numpy_helper.to_array(t) for t in half.graph.initializer if t.name == "stem_b")
    assert values[0] == 0
    assert values[1] > 0


def test_a_scale_that_vanishes_in_fp16_is_an_error() -> None:
    model = residual_model()
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(1e-9), "s"), numpy_helper.from_array(np.int8(0), "z")]
    )
    model.graph.node.append(onnx.helper.make_node("QuantizeLinear", ["views", "s", "z"], ["q"]))
    with pytest.raises(ModelError, match="scale 's' is too small"):
        to_fp16(residual_network(model))
