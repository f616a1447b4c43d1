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

from pptsn.convert.graph.network import Network

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


def make_plan(network: Network, placement: str, *, skip: Collection[str] = ()) -> Plan:
    """Return where quantization goes in `network`; the convolutions named in `skip` stay in floating point.

    placement: one of `options.PLACEMENTS`.
    """
    kept = [node for name, node in network.convolutions.items() if name not in skip]
    if placement == "everything":
        readers = [(tensor, node) for tensor, node in _readers_of_everything(network) if node.name not in skip]
    else:
        readers = [(node.input[0], node) for node in kept]
        if placement == "residual":
            readers += [(network.shortcut(node), node) for node in network.residual_adds]
    chosen: dict[str, list[tuple[str, int]]] = {}
    for tensor, node in readers:
        chosen.setdefault(tensor, []).append((node.name, list(node.input).index(tensor)))
    points = tuple(Point(tensor, tuple(inputs)) for tensor, inputs in chosen.items())
    return Plan(
        points,
        tuple(node.name for node in kept),
        quantize_bias=placement == "everything",
        scale_of={node.output[0]: node.input[0] for node in network.of_kind("MaxPool")}
        if placement == "everything"
        else {},
    )


def _readers_of_everything(network: Network) -> list[tuple[str, onnx.NodeProto]]:
    """Return each activation between the network's input and its pooled features, with each of its readers.

    What only a Relu reads is left out, since the kernel before it applies that too.
    """
    made = [name for node in network.of_kind(*_UINT8_KERNELS) for name in node.output]
    pairs = []
    for tensor in (network.graph.input[0].name, *made):
        readers = [node for node, _ in network.readers[tensor]]
        if [node.op_type for node in readers] != ["Relu"]:
            pairs += [(tensor, node) for node in readers]
    return pairs
