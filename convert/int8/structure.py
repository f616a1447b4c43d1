"""What a residual network's graph says about quantization: its convolutions, its shortcuts, who reads what."""

from __future__ import annotations

from collections import defaultdict

import onnx

from pptsn.runtime.base.errors import ModelError


class Structure:
    """Look-ups in a per-view network's graph; valid as long as the graph is not changed.

    convolutions: the Conv nodes in order.
    producers: the node that makes a tensor; readers: the nodes that read one.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.convolutions = [node for node in graph.node if node.op_type == "Conv"]
        self.producers = {name: node for node in graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)
        constants = {initializer.name for initializer in graph.initializer}
        self.residual_adds = [
            node for node in graph.node if node.op_type == "Add" and constants.isdisjoint(node.input)
        ]

    def shortcut(self, add: onnx.NodeProto) -> str:
        """Return the input of a residual Add that comes the shorter way, past fewer convolutions."""
        first, second = add.input
        ways = self._convolutions_since_fork(first), self._convolutions_since_fork(second)
        if ways[0] == ways[1]:
            raise ModelError("network", f"{add.name!r} adds two branches of {ways[0]} convolutions: no shortcut")
        return str(first if ways[0] < ways[1] else second)

    def _convolutions_since_fork(self, name: str) -> int:
        """Count the convolutions between `name` and the tensor before it that others read as well."""
        count = 0
        while len(self.readers[name]) == 1 and name in self.producers:
            node = self.producers[name]
            count += node.op_type == "Conv"
            name = node.input[0]
        return count

    def activation(self, convolution: onnx.NodeProto) -> str:
        """Return the tensor behind a convolution that leaves the fused kernel: its own output, or its Relu's."""
        output = str(convolution.output[0])
        readers = self.readers[output]
        if len(readers) == 1 and readers[0].op_type == "Relu":
            return str(readers[0].output[0])
        return output
