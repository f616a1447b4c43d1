"""Rules about QuantizeLinear (Q) and DequantizeLinear (DQ): symmetric INT8, in pairs, as TensorRT takes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto

from pptsn.convert.checks.finding import Finding
from pptsn.convert.graph.view import GraphView, attribute, node_name, type_name

# The first operator set in which a scale may be FP16.
FP16_SCALE_OPSET = 19
_QUANTIZE_AGAIN = "quantize again by: pptsn convert int8 --target tensorrt"


def integer_types(view: GraphView) -> Iterator[Finding]:
    """Activations and weights are INT8: neither UINT8, which is the encoding for CPUs, nor an INT32 bias."""
    for node in view.of_kind("QuantizeLinear"):
        found = _quantized_type(view, node)
        if found != TensorProto.INT8:
            yield Finding(
                node_name(node),
                f"quantizes to {type_name(found)}, TensorRT takes INT8 alone"
                + (" (UINT8 is the encoding for CPUs)" if found == TensorProto.UINT8 else ""),
                _QUANTIZE_AGAIN,
            )
    for node in view.of_kind("DequantizeLinear"):
        found = view.types.get(node.input[0], TensorProto.UNDEFINED)
        if _quantizer(view, node) is not None or found in (TensorProto.INT8, TensorProto.UNDEFINED):
            continue  # the other half of a pair is judged by its Q
        what = "an INT32 bias" if found == TensorProto.INT32 else type_name(found)
        yield Finding(
            node_name(node),
            f"dequantizes {what}, TensorRT takes INT8 alone",
            f"leave biases alone: {_QUANTIZE_AGAIN}",
        )


def zero_points(view: GraphView) -> Iterator[Finding]:
    """Zero points are constants, and zero: quantization is symmetric."""
    for node in view.of_kind("QuantizeLinear", "DequantizeLinear"):
        name = node.input[2] if len(node.input) > 2 else ""
        if not name:
            continue  # zero; what that means for the type has a rule of its own
        value = view.value(name)
        if value is None:
            yield Finding(
                node_name(node), f"its zero point {name!r} is computed, expected a constant", _QUANTIZE_AGAIN
            )
        elif np.any(value.astype(np.int64) != 0):
            yield Finding(
                node_name(node),
                f"its zero point is {_first(value, value != 0)}, TensorRT takes 0 alone",
                _QUANTIZE_AGAIN,
            )


def scale_values(view: GraphView) -> Iterator[Finding]:
    """Scales are constants, positive and finite; one that FP16 cannot hold has become 0 or infinity."""
    for node in view.of_kind("QuantizeLinear", "DequantizeLinear"):
        value = view.value(node.input[1])
        if value is None:
            yield Finding(
                node_name(node), f"its scale {node.input[1]!r} is computed, expected a constant", _QUANTIZE_AGAIN
            )
            continue
        wrong = ~(np.isfinite(value) & (value > 0))
        if np.any(wrong):
            kind = view.type_name(node.input[1])
            yield Finding(
                node_name(node),
                f"{np.count_nonzero(wrong)} of its {value.size} {kind} scales are not positive and finite "
                f"({_first(value, wrong)})",
                "calibrate on frames that reach that layer, or leave it out by --skip-layers",
            )


def scale_types(view: GraphView) -> Iterator[Finding]:
    """A scale has the type of the tensor it scales, and FP16 ones need an operator set that has them."""
    for node in view.of_kind("QuantizeLinear", "DequantizeLinear"):
        scale = view.types.get(node.input[1], TensorProto.UNDEFINED)
        if scale not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            yield Finding(
                node_name(node), f"its scale is {type_name(scale)}, expected FLOAT or FLOAT16", _QUANTIZE_AGAIN
            )
            continue
        if scale == TensorProto.FLOAT16 and view.opset < FP16_SCALE_OPSET:
            yield Finding(
                node_name(node),
                f"its scale is FLOAT16, which opset {view.opset} does not have",
                f"write the model for opset {FP16_SCALE_OPSET}",
            )
        data = view.types.get(node.input[0], TensorProto.UNDEFINED)
        if node.op_type == "QuantizeLinear" and data not in (scale, TensorProto.UNDEFINED):
            yield Finding(
                node_name(node),
                f"quantizes a {type_name(data)} tensor with a {type_name(scale)} scale, expected one type",
                "convert tensors and scales together",
            )


def channels(view: GraphView) -> Iterator[Finding]:
    """Activations have one scale; weights one, or one for each output channel of the operator that reads them."""
    for node in view.of_kind("QuantizeLinear", "DequantizeLinear"):
        scale = view.value(node.input[1])
        if scale is None or scale.size == 1:
            continue
        weights = view.value(_source(view, node))
        if weights is None:
            yield Finding(
                node_name(node),
                f"an activation has {scale.size} scales, TensorRT takes one a tensor",
                _QUANTIZE_AGAIN,
            )
            continue
        axis = int(attribute(node, "axis", 1))
        axis += weights.ndim if axis < 0 else 0
        expected = _output_axes(view, node)
        if axis not in expected:
            axes = " or ".join(map(str, sorted(expected)))
            yield Finding(
                node_name(node),
                f"has a scale for each entry of axis {axis}, expected axis {axes}",
                _QUANTIZE_AGAIN,
            )
        elif scale.shape != (weights.shape[axis],):
            yield Finding(
                node_name(node),
                f"has scales {scale.shape} for weights {weights.shape}, expected {weights.shape[axis]} of them",
                _QUANTIZE_AGAIN,
            )


def pairs(view: GraphView) -> Iterator[Finding]:
    """Every Q is read by DQs of the same scale and by nothing else; every DQ reads a Q or a constant."""
    outputs = {value.name for value in view.graph.output}
    for node in view.of_kind("QuantizeLinear"):
        readers = [reader for reader, _ in view.readers[node.output[0]]]
        other = next((reader for reader in readers if reader.op_type != "DequantizeLinear"), None)
        if other is not None or not readers or node.output[0] in outputs:
            reader = node_name(other) if other is not None else "no node"
            yield Finding(node_name(node), f"is read by {reader}, expected DequantizeLinear", _QUANTIZE_AGAIN)
        for reader in readers:
            if reader.op_type == "DequantizeLinear" and not _same_scale(view, node, reader):
                cause = f"its scale differs from that of {node_name(node)}, which it undoes"
                yield Finding(node_name(reader), cause, _QUANTIZE_AGAIN)
    for node in view.of_kind("DequantizeLinear"):
        if _quantizer(view, node) is None and not view.is_constant(node.input[0]):
            yield Finding(
                node_name(node), f"reads {node.input[0]!r}, expected QuantizeLinear or a constant", _QUANTIZE_AGAIN
            )


def additions(view: GraphView) -> Iterator[Finding]:
    """Advice: with both inputs of an Add quantized, Conv and Add do not become one kernel."""
    for node in view.of_kind("Add"):
        producers = [view.producers.get(name) for name in node.input]
        if all(producer is not None and producer.op_type == "DequantizeLinear" for producer in producers):
            yield Finding(
                node_name(node),
                "both inputs are quantized, so the convolution before it is not fused with it",
                "quantize the residual side alone",
                refused=False,
            )


def half_quantized(view: GraphView) -> Iterator[Finding]:
    """Advice: a convolution runs in INT8 only where its input and its weights are quantized."""
    for node in view.of_kind("Conv", "Gemm", "MatMul"):
        quantized = [
            (producer := view.producers.get(name)) is not None and producer.op_type == "DequantizeLinear"
            for name in node.input[:2]
        ]
        if any(quantized) and not all(quantized):
            lacking = "weights" if quantized[0] else "input"
            cause = f"its {lacking} are not quantized" if quantized[0] else f"its {lacking} is not quantized"
            yield Finding(
                node_name(node), f"{cause}, so it does not run in INT8", "quantize both or neither", refused=False
            )


def _quantized_type(view: GraphView, node: onnx.NodeProto) -> int:
    """Return the type that a Q gives: its zero point's, or UINT8 where it has none."""
    if len(node.input) > 2 and node.input[2]:
        return view.types.get(node.input[2], TensorProto.UNDEFINED)
    return int(attribute(node, "output_dtype", 0)) or TensorProto.UINT8


def _quantizer(view: GraphView, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the Q that a DQ undoes, or None."""
    producer = view.producers.get(node.input[0])
    return producer if producer is not None and producer.op_type == "QuantizeLinear" else None


def _source(view: GraphView, node: onnx.NodeProto) -> str:
    """Return the tensor before the pair that `node` belongs to."""
    quantizer = _quantizer(view, node) if node.op_type == "DequantizeLinear" else None
    return str((quantizer if quantizer is not None else node).input[0])


def _output_axes(view: GraphView, node: onnx.NodeProto) -> set[int]:
    """Return the axes of a weight that are output channels for the operators behind a Q or DQ."""
    axes = set()
    for reader, _ in view.readers[node.output[0]]:
        if reader.op_type == "DequantizeLinear":
            return _output_axes(view, reader)
        if reader.op_type == "Gemm":
            axes.add(0 if attribute(reader, "transB", 0) else 1)
        elif reader.op_type in ("MatMul", "ConvTranspose"):
            axes.add(1)
        else:
            axes.add(0)
    return axes or {0}


def _same_scale(view: GraphView, quantize: onnx.NodeProto, dequantize: onnx.NodeProto) -> bool:
    first, second = view.value(quantize.input[1]), view.value(dequantize.input[1])
    return first is None or second is None or np.array_equal(first, second)


def _first(value: np.ndarray, chosen: np.ndarray) -> str:
    """Return the first chosen entry of an array, as text."""
    return str(np.atleast_1d(value)[np.atleast_1d(chosen)][0])
