"""Small edits that several conversions share."""

from __future__ import annotations

from collections.abc import Iterable

import onnx


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Make `nodes`, of which some may be the graph's own, the nodes of `graph`, in their order."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def expose(model: onnx.ModelProto, tensors: Iterable[str]) -> onnx.ModelProto:
    """Return a copy of `model` that gives `tensors` too, behind its own outputs."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    own = {output.name for output in exposed.graph.output}
    exposed.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name not in own
    )
    return exposed
