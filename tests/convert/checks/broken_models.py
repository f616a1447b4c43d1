"""Deployment graphs, each with one fault that TensorRT would refuse, for tests of the lint."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.convert.engine.models import deployment
from tests.models import tiny_network, tiny_spec


class Fault(NamedTuple):
    """A fault: `variant` is the good model, `plant` breaks it; `thing` (its end) and `cause` are to be told."""

    name: str
    variant: str
    plant: Callable[[onnx.ModelProto], None]
    thing: str
    cause: str


def good(variant: str) -> onnx.ModelProto:
    """Return the tiny deployment graph in one of tests.convert.engine.models.VARIANTS."""
    return deployment(tiny_network(), tiny_spec(), variant)[0]


def broken(fault: Fault) -> onnx.ModelProto:
    """Return the graph with the fault in it."""
    model = good(fault.variant)
    fault.plant(model)
    return model


def node_of(model: onnx.ModelProto, end: str) -> onnx.NodeProto:
    """Return the node whose name ends in `end`."""
    (node,) = [node for node in model.graph.node if node.name.endswith(end)]
    return node


def _set(model: onnx.ModelProto, end: str, value: object) -> None:
    """Give the initializer whose name ends in `end` another value."""
    (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name.endswith(end)]
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), tensor.name))


def _change(end: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[onnx.ModelProto], None]:
    def plant(model: onnx.ModelProto) -> None:
        (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name.endswith(end)]
        _set(model, end, change(numpy_helper.to_array(tensor)))

    return plant


def _uint8_transpose(model: onnx.ModelProto) -> None:
    node_of(model, "Cast:pixels").input[0] = "turned"
    node = helper.make_node("Transpose", ["crops"], ["turned"], "early_transpose", perm=[0, 1, 2, 3])
    model.graph.node.insert(0, node)


def _uint8_activations(model: onnx.ModelProto) -> None:
    _set(model, "planes/zero", np.uint8(0))


def _no_zero_point(model: onnx.ModelProto) -> None:
    del node_of(model, "planes/q").input[2]
    del node_of(model, "planes/dq").input[2]


def _int32_bias(model: onnx.ModelProto) -> None:
    constants = {"b_int": np.ones(4, np.int32), "b_scale": np.full(4, 0.01, np.float32)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    node = helper.make_node("DequantizeLinear", ["b_int", "b_scale"], ["b"], "bias_dq", axis=0)
    model.graph.node.insert(0, node)
    next(node for node in model.graph.node if node.op_type == "Conv").input.append("b")


def _activation_channels(model: onnx.ModelProto) -> None:
    _set(model, "planes/scale", np.full(3, 0.05, np.float32))
    _set(model, "planes/zero", np.zeros(3, np.int8))


def _weight_axis(model: onnx.ModelProto) -> None:
    node = node_of(model, "planes/w_dq")
    node.attribute[0].i = 1
    _set(model, "planes/w_scale", np.full(3, 0.05, np.float32))
    _set(model, "planes/w_zero", np.zeros(3, np.int8))


def _unequal_pair(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.06), "other_scale"))
    node_of(model, "planes/dq").input[1] = "other_scale"


def _q_without_dq(model: onnx.ModelProto) -> None:
    quantize = node_of(model, "planes/q")
    node = helper.make_node("Neg", [quantize.output[0]], ["negative"], "in_between")
    model.graph.node.insert(list(model.graph.node).index(quantize) + 1, node)
    node_of(model, "planes/dq").input[0] = "negative"


def _computed_scale(model: onnx.ModelProto) -> None:
    name = node_of(model, "planes/q").input[1]
    model.graph.node.insert(0, helper.make_node("Abs", [name], ["scale_now"], "scale_maker"))
    node_of(model, "planes/q").input[1] = "scale_now"


def _old_opset_fp16_scale(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 17


def _static_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def _dynamic_size(model: onnx.ModelProto) -> None:
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "S"


def _opset(version: int) -> Callable[[onnx.ModelProto], None]:
    def plant(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return plant


def _operator(kind: str, domain: str = "") -> Callable[[onnx.ModelProto], None]:
    def plant(model: onnx.ModelProto) -> None:
        node = node_of(model, "Mul:views")
        node.output[0] = "views_before"
        model.graph.node.insert(
            list(model.graph.node).index(node) + 1,
            helper.make_node(kind, ["views_before"], ["views"], "odd_one", domain=domain),
        )

    return plant


def _through(element_type: int) -> Callable[[onnx.ModelProto], None]:
    """Pass the views through another element type."""

    def plant(model: onnx.ModelProto) -> None:
        node = node_of(model, "Mul:views")
        node.output[0] = "views_before"
        casts = [
            helper.make_node("Cast", ["views_before"], ["views_odd"], "to_odd", to=element_type),
            helper.make_node("Cast", ["views_odd"], ["views"], "from_odd", to=TensorProto.FLOAT),
        ]
        at = list(model.graph.node).index(node) + 1
        for offset, cast in enumerate(casts):
            model.graph.node.insert(at + offset, cast)

    return plant


FAULTS = (
    Fault("uint8 transpose", "fp32", _uint8_transpose, "early_transpose", "UINT8 tensor 'crops'"),
    Fault("static batch", "fp32", _static_batch, "crops", "fixed at 4"),
    Fault("dynamic size", "fp32", _dynamic_size, "crops", "dimension 1, 2 is dynamic too"),
    Fault("old opset", "fp32", _opset(8), "opset", "is 8, TensorRT 10.3 reads 9 to 20"),
    Fault("new opset", "fp32", _opset(21), "opset", "is 21"),
    Fault("no such operator", "fp32", _operator("DynamicQuantizeLinear"), "odd_one", "DynamicQuantizeLinear"),
    Fault("foreign operator", "fp32", _operator("Gelu", "com.microsoft"), "odd_one", "com.microsoft.Gelu"),
    Fault("double", "fp32", _through(TensorProto.DOUBLE), "to_odd", "is DOUBLE"),
    Fault("bfloat16", "fp32", _through(TensorProto.BFLOAT16), "to_odd", "is BFLOAT16"),
    Fault("mixed types", "fp16", _change("weight", lambda a: a.astype(np.float32)), "planes", "Conv mixes types"),
    Fault("infinite weight", "fp16", _change("weight", lambda a: a + np.float16(np.inf)), "planes", "not finite"),
    Fault("uint8 activations", "int8", _uint8_activations, "planes/q", "quantizes to UINT8"),
    Fault("no zero point", "int8", _no_zero_point, "planes/q", "quantizes to UINT8"),
    Fault("int32 bias", "int8", _int32_bias, "bias_dq", "an INT32 bias"),
    Fault("zero point", "int8", _change("planes/zero", lambda a: a + np.int8(3)), "planes/q", "zero point is 3"),
    Fault("weight zero point", "int8", _change("w_zero", lambda a: a - np.int8(1)), "w_dq", "zero point is -1"),
    Fault(
        "zero scale", "int8", _change("planes/scale", lambda a: a * 0), "planes/q", "not positive and finite (0.0)"
    ),
    Fault(
        "nan scale",
        "int8",
        _change("w_scale", lambda a: a * np.float32(np.nan)),
        "w_dq",
        "4 of its 4 FLOAT scales",
    ),
    Fault(
        "underflow", "int8+fp16", _change("planes/scale", lambda a: np.float16(1e-9)), "planes/q", "FLOAT16 scales"
    ),
    Fault(
        "scale type", "int8+fp16", _change("planes/scale", lambda a: a.astype(np.float32)), "planes/q", "one type"
    ),
    Fault(
        "old opset for fp16 scales", "int8+fp16", _old_opset_fp16_scale, "planes/q", "which opset 17 does not have"
    ),
    Fault("computed scale", "int8", _computed_scale, "planes/q", "is computed"),
    Fault("channels of an activation", "int8", _activation_channels, "planes/q", "an activation has 3 scales"),
    Fault("axis of a weight", "int8", _weight_axis, "w_dq", "axis 1, expected axis 0"),
    Fault("unequal pair", "int8", _unequal_pair, "planes/dq", "its scale differs"),
    Fault("q without dq", "int8", _q_without_dq, "planes/q", "is read by in_between"),
    Fault("dq without q", "int8", _q_without_dq, "planes/dq", "reads 'negative'"),
)
