"""Look-ups in a graph: who makes a tensor, who reads it, its type and its value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper, shape_inference

DEFAULT_DOMAINS = ("", "ai.onnx")


class GraphView:
    """A model, indexed once; valid as long as its graph is not changed.

    producers: tensor name -> the node that makes it.  readers: tensor name -> (node, position) that read it.
    initializers: by name.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[tuple[onnx.NodeProto, int]]] = defaultdict(list)
        for node in self.nodes:
            for position, name in enumerate(node.input):
                self.readers[name].append((node, position))

    @cached_property
    def types(self) -> dict[str, int]:
        """The element type (TensorProto.DataType) of each tensor, where it is known."""
        return _types(self.model)

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators that the model was written for; 0 where it says none."""
        versions = [entry.version for entry in self.model.opset_import if entry.domain in DEFAULT_DOMAINS]
        return max(versions, default=0)

    def of_kind(self, *kinds: str) -> list[onnx.NodeProto]:
        """Return the nodes of these operators, in the graph's order."""
        return [node for node in self.nodes if node.op_type in kinds]

    def value(self, name: str) -> npt.NDArray[Any] | None:
        """Return the value of a constant, or None for a tensor that is computed."""
        tensor = self.initializers.get(name)
        if tensor is None:
            producer = self.producers.get(name)
            if producer is None or producer.op_type != "Constant":
                return None
            tensor = next((entry.t for entry in producer.attribute if entry.name == "value"), None)
            if tensor is None:
                return None
        array: npt.NDArray[Any] = numpy_helper.to_array(tensor)
        return array

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is a constant of the graph."""
        producer = self.producers.get(name)
        return name in self.initializers or (producer is not None and producer.op_type == "Constant")

    def type_name(self, name: str) -> str:
        """Return the element type of a tensor as ONNX spells it, such as FLOAT16, or "unknown"."""
        return type_name(self.types.get(name, TensorProto.UNDEFINED))

    def node_of(self, tensor: str) -> str:
        """Return the name of the node that makes a tensor, or else of the first that reads it."""
        node = self.producers.get(tensor) or next((reader for reader, _ in self.readers[tensor]), None)
        return node_name(node) if node is not None else tensor


def node_name(node: onnx.NodeProto) -> str:
    """Return the name of a node, or its operator and output where it has none."""
    return str(node.name) or f"{node.op_type}:{node.output[0]}"


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return the value of an attribute of `node`, or `default`."""
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def type_name(element_type: int) -> str:
    """Return the name of an element type, or "unknown"."""
    return "unknown" if element_type == TensorProto.UNDEFINED else str(TensorProto.DataType.Name(element_type))


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element types that the graph states, and those that follow from them."""
    light = onnx.ModelProto()
    light.CopyFrom(model)
    try:
        inferred = shape_inference.infer_shapes(light)
    except (shape_inference.InferenceError, RuntimeError, ValueError):  # a broken graph: what it states must do
        inferred = light
    graph = inferred.graph
    stated = {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}
    types = {name: int(value.type.tensor_type.elem_type) for name, value in stated.items()}
    types |= {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
    return types


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Make `nodes`, of which some may be the graph's own, the nodes of `graph`, in their order."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
