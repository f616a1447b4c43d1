"""What FP16 arithmetic does to a network, on a machine that has none.

ONNX Runtime's CPU kernels compute an FP16 graph in FP32, from one end to the other: weights are rounded, results
inside are not, and nothing overflows.  A GPU rounds each result to FP16, so here each is cast there and back.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

from convert.graph_edit import replace_nodes


def with_rounded_results(half: onnx.ModelProto) -> onnx.ModelProto:
    """Return an FP32 network whose every tensor goes through FP16; `half` is what `fp16.to_fp16` gave.

    Values beyond FP16 become infinite, as they do there.  Sums inside one operator stay in FP32, which is how GPUs
    accumulate.
    """
    rounded = onnx.ModelProto()
    rounded.CopyFrom(half)
    graph = rounded.graph
    for initializer in graph.initializer:
        if initializer.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(initializer).astype("float32")
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    nodes = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":  # gives integers
            nodes.append(node)
        else:
            nodes += _rounded(node)
    replace_nodes(graph, nodes)
    return rounded


def _rounded(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return `node` with its result cast to FP16 and back; of a Cast, the two casts alone."""
    result = node.output[0]
    exact = node.input[0] if node.op_type == "Cast" else f"{result}_exact"
    casts = [
        helper.make_node("Cast", [exact], [f"{result}_half"], name=f"{node.name}/half", to=TensorProto.FLOAT16),
        helper.make_node("Cast", [f"{result}_half"], [result], name=f"{node.name}/float", to=TensorProto.FLOAT),
    ]
    if node.op_type == "Cast":
        return casts
    node.output[0] = exact
    return [node, *casts]
