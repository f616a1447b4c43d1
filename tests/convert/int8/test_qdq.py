"""Both encodings, against arithmetic done by hand in NumPy and through ONNX Runtime's own kernels."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession
from pptsn.convert.int8.calibration import observe
from pptsn.convert.int8.options import Recipe
from pptsn.convert.int8.placement import Plan, Point, make_plan
from pptsn.convert.int8.qdq import quantize
from pptsn.convert.int8.scales import asymmetric_scale, scale_of, symmetric_scale, weight_scales
from pptsn.convert.int8.search import Quantizer, tensors_of
from pptsn.convert.verify.agreement import normalised_errors
from tests.convert.fp16.test_cast import replace
from tests.convert.residual_network import residual_model, residual_network, views


@pytest.fixture(scope="module")
def network() -> Network:
    return residual_network()


def quantizer(network: Network, target: str) -> Quantizer:
    histograms = observe(network, tensors_of(network, target), views(64))
    return Quantizer(network, target, histograms, views(32, seed=1))


def constants(model: Network) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_a_quantized_convolution_is_what_the_arithmetic_says(network: Network) -> None:
    scale = symmetric_scale(3.0)
    plan = Plan((Point("views", (("stem", 0),)),), ("stem",))
    model = quantize(network, plan, {"views": scale})
    batch = views(2)
    (found,) = NetworkSession(model, tensors=["s0"], optimise=False).watch(batch)
    held = np.rint(batch / np.float32(scale.scale)).clip(-128, 127) * scale.scale
    weights = constants(network)["stem_w"]
    steps = weight_scales(weights).reshape(-1, 1, 1, 1)
    rounded = np.rint(weights / steps) * steps
    padded = np.pad(held, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    expected = np.einsum("bchwij,ocij->bohw", windows, rounded) + constants(network)["stem_b"].reshape(1, -1, 1, 1)
    np.testing.assert_allclose(found["s0"], expected, atol=1e-4)


def test_the_encoding_for_tensorrt_is_symmetric_int8_without_quantized_biases(network: Network) -> None:
    model = quantizer(network, "tensorrt").build(Recipe("tensorrt", "min-max", "residual"))
    values = constants(model)
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero_point = values[node.input[2]]
            assert zero_point.dtype == np.int8
            assert not zero_point.any()
        if node.op_type == "Conv":
            assert values[node.input[2]].dtype == np.float32
    stored = [value for name, value in values.items() if name.endswith("_w_int8")]
    assert len(stored) == 6
    assert all(np.abs(weights).max() == 127 for weights in stored)
    axes = [a.i for n in model.graph.node if n.name.endswith("_w_dequantized") for a in n.attribute]
    assert axes == [0] * 6


def test_the_encoding_for_cpus_fuses_into_integer_kernels(network: Network, tmp_path: Path) -> None:
    model = quantizer(network, "cpu").build(Recipe("cpu", "min-max", "everything"))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "optimised.onnx")).graph.node]
    assert kinds.count("QLinearConv") == 6
    assert kinds.count("QLinearAdd") == 2
    assert not {"Conv", "FusedConv"} & set(kinds)
    # One at the network's input; the maximum runs on integers.
    assert kinds.count("QuantizeLinear") == 1


@pytest.mark.parametrize(
    ("target", "placement"), [("tensorrt", "convolutions"), ("tensorrt", "residual"), ("cpu", "everything")]
)
def test_answers_stay_close_to_fp32(network: Network, target: str, placement: str) -> None:
    candidate = quantizer(network, target).judge(Recipe(target, "min-max", placement))
    assert 0.001 < candidate.figures.error_median < 0.05
    assert candidate.figures.top1 > 0.9


def test_int8_with_the_rest_in_fp16_adds_only_rounding(network: Network) -> None:
    model = quantizer(network, "tensorrt").build(Recipe("tensorrt", "mse", "residual"))
    half = to_fp16(model)
    assert not [t.name for t in half.graph.initializer if t.data_type == TensorProto.FLOAT]
    batch = views(16, seed=2)
    mixed = NetworkSession(half, optimise=False).logits(batch)
    plain = NetworkSession(model, optimise=False).logits(batch)
    # A value at the border between two steps may fall to the other side.
    assert np.median(normalised_errors(mixed, plain)) < 0.01


@pytest.mark.parametrize("limit", [1.0, 1e-3])
def test_a_bias_survives_beside_vanishing_weights(limit: float) -> None:
    weights = constants(residual_network())["same1_w"].copy()
    weights[0] *= 1e-9
    changed = replace(residual_model(), "same1_w", weights)
    network = residual_network(replace(changed, "same1_b", np.full(8, 1.5)))
    plan = make_plan(network, "everything")
    model = quantize(network, plan, dict.fromkeys(plan.tensors, asymmetric_scale(0.0, limit)))
    values = constants(model)
    stored = values["same1_b_int32"] * values["same1_b_scale"].astype(np.float64)
    np.testing.assert_allclose(stored, 1.5, rtol=1e-3)


def test_a_tensor_that_was_zero_throughout_can_still_take_values(network: Network) -> None:
    for target in ("tensorrt", "cpu"):
        scale = scale_of(
            observe(network, ["views"], np.zeros((2, 3, 16, 16), np.float32))["views"], "min-max", target
        )
        assert scale.scale * (127 if target == "tensorrt" else 255) == pytest.approx(1, rel=0.01)


def test_values_beyond_the_range_saturate(network: Network) -> None:
    plan = make_plan(network, "everything")
    scales = dict.fromkeys(plan.tensors, asymmetric_scale(-1.0, 1.0))
    model = quantize(network, plan, scales)
    (values,) = NetworkSession(model, tensors=["c_dequantized"], optimise=False).watch(views(1) * 100)
    assert values["c_dequantized"].max() == pytest.approx(1.0, abs=0.01)


def test_the_network_stays_as_it_was(network: Network) -> None:
    before = network.model.SerializeToString()
    quantizer(network, "cpu").build(Recipe("cpu", "min-max", "everything"))
    assert network.model.SerializeToString() == before
