"""The network's ONNX graph made plain: constants as initializers, batch norm folded, no shape arithmetic.

Each function changes the model in place, and leaves what it computes as it was (up to rounding).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pptsn.runtime.base.errors import ModelError


def simplify(model: onnx.ModelProto) -> None:
    """Apply every simplification of this module, in their order."""
    constants_to_initializers(model.graph)
    remove_identities(model.graph)
    fold_batch_norms(model.graph)
    flatten_pooled_features(model.graph)
    remove_unused(model.graph)


def constants_to_initializers(graph: onnx.GraphProto) -> None:
    """Turn Constant nodes into initializers."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if value is None:
            continue  # a sparse or scalar spelling, which Paddle2ONNX does not write
        initializer = graph.initializer.add()
        initializer.CopyFrom(value)
        initializer.name = node.output[0]
        graph.node.remove(node)


def remove_identities(graph: onnx.GraphProto) -> None:
    """Remove Identity nodes; the graph's inputs and outputs keep their names."""
    outputs = {output.name for output in graph.output}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        source, target = node.input[0], node.output[0]
        graph.node.remove(node)
        if target in outputs:
            _rename(graph, source, target)
        else:
            _rename(graph, target, source)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a tensor wherever a node reads or writes it."""
    for node in graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new


def fold_batch_norms(graph: onnx.GraphProto) -> None:
    """Fold each BatchNormalization that follows a convolution into its weights and bias.

    y = g * (conv(x) - m) / sqrt(v + e) + b is a convolution with weights w * g / sqrt(v + e) and bias
    b - m * g / sqrt(v + e).  Computed in float64, so that only the final rounding is added.
    Raises ModelError where a batch norm cannot be folded: the network would be no ResNet-vd.
    """
    values = {initializer.name: initializer for initializer in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    readers = [name for node in graph.node for name in node.input]
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        convolution = producers.get(norm.input[0])
        if convolution is None or convolution.op_type != "Conv" or readers.count(norm.input[0]) != 1:
            raise ModelError("network", f"batch norm {norm.name!r} does not follow a convolution of its own")
        _fold(graph, convolution, norm, values)
        graph.node.remove(norm)


def _fold(
    graph: onnx.GraphProto, convolution: onnx.NodeProto, norm: onnx.NodeProto, values: dict[str, onnx.TensorProto]
) -> None:
    gain, shift, mean, variance = (
        numpy_helper.to_array(values[name]).astype(np.float64) for name in norm.input[1:5]
    )
    epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
    factor = gain / np.sqrt(variance + epsilon)
    weight = numpy_helper.to_array(values[convolution.input[1]]).astype(np.float64)
    old_bias = numpy_helper.to_array(values[convolution.input[2]]) if len(convolution.input) > 2 else 0.0
    folded = {
        f"{convolution.input[1]}_folded": weight * factor.reshape(-1, 1, 1, 1),
        f"{convolution.input[1]}_bias": shift + (old_bias - mean) * factor,
    }
    for name, array in folded.items():
        graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    data = convolution.input[0]
    del convolution.input[:]
    convolution.input.extend([data, *folded])
    convolution.output[0] = norm.output[0]


def flatten_pooled_features(graph: onnx.GraphProto) -> None:
    """Replace the Reshape behind the global average pool, whose shape is computed from its input's, by Flatten.

    Shape arithmetic needs shape tensors in TensorRT; flattening (B, F, 1, 1) to (B, F) needs none.
    """
    constants = {initializer.name for initializer in graph.initializer}
    pooled = {node.output[0] for node in graph.node if node.op_type == "GlobalAveragePool"}
    for position, node in enumerate(graph.node):
        if node.op_type == "Reshape" and node.input[0] in pooled and node.input[1] not in constants:
            flatten = helper.make_node(
                "Flatten", [node.input[0]], [node.output[0]], name=f"{node.name}_flat", axis=1
            )
            graph.node.remove(node)
            graph.node.insert(position, flatten)


def remove_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and initializers that no output depends on."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):  # nodes are sorted, so each is seen after all its readers
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for initializer in [i for i in graph.initializer if i.name not in needed]:
        graph.initializer.remove(initializer)
    del graph.value_info[:]
