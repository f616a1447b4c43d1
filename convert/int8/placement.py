"""Where quantization goes in a residual network: which tensors, for which of their readers.

For TensorRT (placements `convolutions` and `residual`) only what an INT8 kernel reads is quantized; the rest stays
in floating point.  `residual` adds the shortcut input of each Add, and not the other one, so that convolution and
addition fuse into one kernel that reads its residual as int8.  ONNX Runtime's CPU kernels write uint8 as well, so
there (`everything`) each activation is quantized, Adds and pools included, up to the pooled features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import onnx

from pptsn.convert.int8.structure import Structure

# Of each target, the one that fuses most comes last.
PLACEMENTS = {"tensorrt": ("convolutions", "residual"), "cpu": ("everything",)}


# What ONNX Runtime has uint8 kernels for, or fuses into one.
_UINT8_KERNELS = ("Conv", "Relu", "Add", "MaxPool", "AveragePool")


@dataclass(frozen=True)
class Point:
    """A tensor to quantize, and the readers, (node name, input index), that read the quantized one."""

    tensor: str
    readers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Plan:
    """points: activations to quantize; convolutions: the names of those whose weights become int8.

    quantize_bias: whether biases become int32, which ONNX Runtime's CPU kernels want and TensorRT refuses.
    scale_of: tensors that take another tensor's scale.  A maximum commutes with quantization, and ONNX Runtime
        pools uint8 values as they are only where both sides have one scale.
    """

    points: tuple[Point, ...]
    convolutions: tuple[str, ...]
    quantize_bias: bool = False
    scale_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def tensors(self) -> list[str]:
        """The names of the activations that are quantized."""
        return [point.tensor for point in self.points]


def make_plan(network: onnx.ModelProto, placement: str, *, skip: Collection[str] = ()) -> Plan:
    """Return where quantization goes in `network`; the convolutions named in `skip` stay in floating point.

    placement: one of PLACEMENTS.
    """
    structure = Structure(network.graph)
    kept = [node for node in structure.convolutions if node.name not in skip]
    if placement == "everything":
        readers = _readers_of_everything(structure, network.graph)
        readers = [(tensor, node) for tensor, node in readers if node.name not in skip]
    else:
        readers = [(node.input[0], node) for node in kept]
        if placement == "residual":
            readers += [(structure.shortcut(node), node) for node in structure.residual_adds]
    chosen: dict[str, list[tuple[str, int]]] = {}
    for tensor, node in readers:
        chosen.setdefault(tensor, []).append((node.name, list(node.input).index(tensor)))
    points = tuple(Point(tensor, tuple(places)) for tensor, places in chosen.items())
    return Plan(
        points,
        tuple(node.name for node in kept),
        quantize_bias=placement == "everything",
        scale_of={node.output[0]: node.input[0] for node in network.graph.node if node.op_type == "MaxPool"}
        if placement == "everything"
        else {},
    )


def _readers_of_everything(structure: Structure, graph: onnx.GraphProto) -> list[tuple[str, onnx.NodeProto]]:
    """Return each activation between the network's input and its pooled features, with each of its readers.

    What only a Relu reads is left out, since the kernel before it applies that too.
    """
    made = [name for node in graph.node if node.op_type in _UINT8_KERNELS for name in node.output]
    pairs = []
    for tensor in (graph.input[0].name, *made):
        readers = structure.readers[tensor]
        if [node.op_type for node in readers] != ["Relu"]:
            pairs += [(tensor, node) for node in readers]
    return pairs
