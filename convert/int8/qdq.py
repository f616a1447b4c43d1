"""Writing quantization into a graph: QuantizeLinear and DequantizeLinear around what runs in INT8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from pptsn.convert.graph.network import Network
from pptsn.convert.graph.simplify import remove_unused
from pptsn.convert.graph.view import replace_nodes
from pptsn.convert.int8.placement import Plan
from pptsn.convert.int8.scales import INT8_MAX, Scale, weight_scales

# A float32 number below the largest int32, so that the quotient by it stays within int32.
_INT32_MAX = 2**31 - 256


def quantize(
    network: Network,
    plan: Plan,
    scales: Mapping[str, Scale],
    *,
    weight_scales_of: Mapping[str, npt.NDArray[np.float32]] | None = None,
) -> Network:
    """Return the FP32 `network` with explicit Q/DQ where `plan` says.

    scales: of every tensor that the plan quantizes.
    weight_scales_of: of the convolutions' weights, (O,) by the convolution's name; those that cover them if not
        given.
    Weights become int8, symmetric, with one scale an output channel.  Biases stay in floating point, or become
    int32 where the plan says so.
    """
    quantized = network.copy_model()
    writer = _Writer(quantized.graph)
    for point in plan.points:
        dequantized = writer.quantize_activation(point.tensor, scales[point.tensor])
        for name, index in point.readers:
            writer.nodes[name].input[index] = dequantized
    inputs = {name: point.tensor for point in plan.points for name, index in point.readers if index == 0}
    for name in plan.convolutions:
        activation = scales[inputs[name]] if plan.quantize_bias else None
        writer.quantize_weights(name, activation, (weight_scales_of or {}).get(name))
    writer.finish()
    return network.remade(quantized, precision="int8")


class _Writer:
    """Collects new nodes and puts each behind the node that makes the tensor that it reads."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self.nodes = {node.name: node for node in graph.node}
        self._values = {initializer.name: initializer for initializer in graph.initializer}
        self._after: dict[str, list[onnx.NodeProto]] = {}
        self._first: list[onnx.NodeProto] = []

    def quantize_activation(self, tensor: str, scale: Scale) -> str:
        """Add the pair Q/DQ for `tensor`; return the name of the dequantized one."""
        scale_name = self._add(f"{tensor}_scale", np.float32(scale.scale))
        zero_name = self._add(f"{tensor}_zero_point", np.dtype(scale.dtype).type(scale.zero_point))
        constants = [scale_name, zero_name]
        self._after[tensor] = [
            _node("QuantizeLinear", [tensor, *constants], f"{tensor}_quantized"),
            _node("DequantizeLinear", [f"{tensor}_quantized", *constants], f"{tensor}_dequantized"),
        ]
        return f"{tensor}_dequantized"

    def quantize_weights(
        self, name: str, activation: Scale | None, scales: npt.NDArray[np.float32] | None
    ) -> None:
        """Store the weights of the convolution `name` as int8; with the scale of its input, its bias as int32."""
        node = self.nodes[name]
        weights = numpy_helper.to_array(self._values[node.input[1]])
        scales = weight_scales(weights) if scales is None else scales
        bias = numpy_helper.to_array(self._values[node.input[2]]).astype(np.float64)
        if activation is not None:
            # A bias counts in steps of both scales together; next to vanishing weights it would not fit.
            scales = np.maximum(scales, np.abs(bias) / (activation.scale * _INT32_MAX)).astype(np.float32)
        integers = np.rint(weights / scales.reshape(-1, 1, 1, 1)).clip(-INT8_MAX, INT8_MAX).astype(np.int8)
        node.input[1] = self._dequantized(node.input[1], integers, scales)
        if activation is not None:
            bias_scales = scales * np.float32(activation.scale)
            integers32 = np.rint(bias / bias_scales).clip(-_INT32_MAX, _INT32_MAX).astype(np.int32)
            node.input[2] = self._dequantized(node.input[2], integers32, bias_scales)

    def _dequantized(self, name: str, integers: npt.NDArray[Any], scales: npt.NDArray[np.float32]) -> str:
        """Add a constant with one scale for each entry of axis 0; return the name of its dequantized value."""
        inputs = [self._add(f"{name}_{integers.dtype}", integers), self._add(f"{name}_scale", scales)]
        inputs.append(self._add(f"{name}_zero_point", np.zeros(len(scales), integers.dtype)))
        self._first.append(_node("DequantizeLinear", inputs, f"{name}_dequantized", axis=0))
        return f"{name}_dequantized"

    def _add(self, name: str, value: npt.NDArray[Any] | np.generic) -> str:
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def finish(self) -> None:
        """Put the new nodes among the others and drop what is no longer read."""
        nodes = [*self._first]
        for name in [value.name for value in self._graph.input]:
            nodes += self._after.pop(name, [])
        for node in self._graph.node:
            nodes.append(node)
            for name in node.output:
                nodes += self._after.pop(name, [])
        replace_nodes(self._graph, nodes)
        remove_unused(self._graph)


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=f"{kind}:{output}", **attributes)
