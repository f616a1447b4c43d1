"""Rules about a graph's surface: its inputs, its dynamic dimensions and its operator set."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import TensorProto

from pptsn.convert.checks.finding import Finding
from pptsn.convert.graph.view import DEFAULT_DOMAINS, GraphView, node_name

# What the parser of TensorRT 10.3 reads; later ones read more (11.x: up to 25).
OLDEST_OPSET, NEWEST_OPSET = 9, 20
_CONVERT_AGAIN = "convert the model again by: pptsn convert onnx"


def dynamic_dimensions(view: GraphView) -> Iterator[Finding]:
    """The first dimension of each input, and it alone, is dynamic: a profile and a CUDA graph are made for it."""
    inputs = [value for value in view.graph.input if value.name not in view.initializers]
    for value in inputs:
        dimensions = value.type.tensor_type.shape.dim
        fixed = [dimension.HasField("dim_value") for dimension in dimensions]
        if not fixed:
            yield Finding(value.name, "has no shape", _CONVERT_AGAIN)
            continue
        if fixed[0]:
            size = dimensions[0].dim_value
            yield Finding(
                value.name,
                f"its batch dimension is fixed at {size}, so no profile of several batch sizes can be made",
                "export with a dynamic first dimension",
            )
        if not all(fixed[1:]):
            axes = ", ".join(str(axis) for axis, known in enumerate(fixed) if axis and not known)
            yield Finding(
                value.name,
                f"dimension {axes} is dynamic too, expected the first alone",
                "fix the size of the crops and export again",
            )


def opset_version(view: GraphView) -> Iterator[Finding]:
    """The operator set is one that the parser of every supported TensorRT reads."""
    if not OLDEST_OPSET <= view.opset <= NEWEST_OPSET:
        yield Finding(
            "opset",
            f"is {view.opset or 'not stated'}, TensorRT 10.3 reads {OLDEST_OPSET} to {NEWEST_OPSET}",
            _CONVERT_AGAIN,
        )


def foreign_operators(view: GraphView) -> Iterator[Finding]:
    """Every operator is one of ONNX's own: others need a plug-in, or luck."""
    for node in view.nodes:
        if node.domain not in DEFAULT_DOMAINS:
            yield Finding(
                node_name(node),
                f"operator {node.domain}.{node.op_type} is not one of ONNX's own, and TensorRT promises no others",
                "save the model without the optimiser that put it there",
            )


def uint8_goes_into_casts(view: GraphView) -> Iterator[Finding]:
    """A UINT8 tensor is read by Cast alone; what a quantized graph does with UINT8 has a rule of its own."""
    for node in view.nodes:
        if node.op_type in ("Cast", "QuantizeLinear", "DequantizeLinear"):
            continue
        wrong = [name for name in node.input if view.types.get(name) == TensorProto.UINT8]
        if wrong:
            yield Finding(
                node_name(node),
                f"{node.op_type} reads the UINT8 tensor {wrong[0]!r}, which TensorRT takes into a Cast alone",
                "cast to float first",
            )
