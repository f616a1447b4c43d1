"""The deployment graph: uint8 crops in, logits and pooled vector of each crop out, everything between inside."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, parser

from pptsn.convert.graph import NETWORK_PREFIX
from pptsn.convert.graph.simplify import remove_identities
from pptsn.convert.graph.view import GraphView, attribute
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.spec import CROPS, ModelSpec

# IR 9 belongs to opset 19 and is read by every runtime that reads that.
IR_VERSION = 9
_TO_PLANES = [0, 3, 1, 2]


def compose_deployment(
    network: onnx.ModelProto, spec: ModelSpec, *, mirror: bool
) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return the deployment graph around `network`, and its spec.

    network: (B, 3, S, S) float32 -> (B, C) float32, without preprocessing; where it has a second output, (B, D)
        float32, these are its features.
    Result: crops (N, S, S, 3) uint8 RGB -> logits (N, C) and features (N, D), float32; N is the only dynamic
    dimension.  With `mirror`, a row is the mean over the crop and its mirror image.

    Cast comes first and Transpose after it, since TensorRT takes a UINT8 input into a Cast alone.
    Raises ModelError where the network's input or output does not fit the spec.
    """
    features = [width for value in network.graph.output[1:] for width in _sizes(value)]
    spec = dataclasses.replace(spec, mirror=mirror, features=features[0] if features else 0)
    _check_network(network, spec)
    opset = network.opset_import[0].version
    front, back = _front(spec, opset), _back(spec, opset)
    network.ir_version = IR_VERSION
    _name_nodes(network.graph)  # a node without a name would get no prefix
    network = compose.add_prefix(network, NETWORK_PREFIX)
    inner, outer = network.graph.input[0].name, [value.name for value in network.graph.output]
    taken = [value.name for value in back.graph.input]
    graph = compose.merge_models(front, network, io_map=[("views", inner)])
    graph = compose.merge_models(graph, back, io_map=list(zip(outer, taken, strict=True)))
    remove_identities(graph.graph)
    _name_nodes(graph.graph)
    _name_batch(graph.graph, spec)
    del graph.opset_import[1:]  # merging lists the one opset once for each part
    graph.graph.name = "pptsn"
    graph.producer_name = "pptsn"
    return graph, spec


def _name_batch(graph: onnx.GraphProto, spec: ModelSpec) -> None:
    """Give the number of views a name, which a Concat has none for.

    Only where shapes are known to be equal does ONNX Runtime let a shortcut's addition write over its input:
    that makes ResNet-50 in FP32 4 to 7 % faster on a CPU.
    """
    shape = ("V", 3, spec.crop_size, spec.crop_size)
    graph.value_info.append(helper.make_tensor_value_info("views", TensorProto.FLOAT, shape))


def _check_network(network: onnx.ModelProto, spec: ModelSpec) -> None:
    found = [*map(_sizes, network.graph.input)], [*map(_sizes, network.graph.output)]
    expected = [[3, spec.crop_size, spec.crop_size]], [[width] for width in spec.outputs.values()]
    if found != expected:
        raise ModelError("network", f"takes {found[0]} and gives {found[1]}, its spec expects {expected}")


def _sizes(value: onnx.ValueInfoProto) -> list[int]:
    """Return the sizes of a tensor behind its batch; 0 for what is not fixed."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim[1:]]


def _header(opset: int) -> str:
    return f'<ir_version: {IR_VERSION}, opset_import: ["" : {opset}]>'


def _front(spec: ModelSpec, opset: int) -> onnx.ModelProto:
    """Return crops (N, S, S, 3) uint8 -> views (N or 2N, 3, S, S) float32, normalised; mirrored ones last."""
    size = spec.crop_size
    mirrored = """
        mirrored = Slice(pixels, mirror_start, mirror_end, mirror_axis, mirror_step)
        views_nhwc = Concat<axis = 0>(pixels, mirrored)"""
    plain = "views_nhwc = Identity(pixels)"
    model = parser.parse_model(f"""{_header(opset)}
        front (uint8[N, {size}, {size}, 3] {CROPS}) => (float[V, 3, {size}, {size}] views) {{
            pixels = Cast<to = 1>({CROPS})
            {mirrored if spec.mirror else plain}
            planes = Transpose<perm = {_TO_PLANES}>(views_nhwc)
            centred = Sub(planes, mean)
            views = Mul(centred, scale)
        }}""")
    # The graph sees 0..255, so (x / 255 - mean) / std becomes (x - 255 * mean) * (1 / (255 * std)).
    constants = {
        "mean": np.float32(255 * np.array(spec.mean)).reshape(1, 3, 1, 1),
        "scale": np.float32(1 / (255 * np.array(spec.std))).reshape(1, 3, 1, 1),
    }
    if spec.mirror:
        # From the last column down to the first: the end lies before column 0, which only a number below
        # -size can say.
        bounds = {"start": -1, "end": -size - 1, "axis": 2, "step": -1}
        constants |= {f"mirror_{name}": np.array([value], np.int64) for name, value in bounds.items()}
    _add_constants(model.graph, constants)
    return model


def _back(spec: ModelSpec, opset: int) -> onnx.ModelProto:
    """Return view_logits (N or 2N, C), view_features (N or 2N, D) -> logits (N, C), features (N, D).

    They are the means over each crop and its mirror image; there are no features where the spec has none.
    """
    given = spec.outputs
    takes = ", ".join(f"float[V, {width}] view_{name}" for name, width in given.items())
    gives = ", ".join(f"float[N, {width}] {name}" for name, width in given.items())
    lines = [
        f"""{name}_pairs = Reshape(view_{name}, {name}_pair_shape)
            {name} = ReduceMean<keepdims = 0>({name}_pairs, pair_axis)"""
        if spec.mirror
        else f"{name} = Identity(view_{name})"
        for name in given
    ]
    body = "\n            ".join(lines)
    model = parser.parse_model(f"""{_header(opset)}
        back ({takes}) => ({gives}) {{
            {body}
        }}""")
    if spec.mirror:
        shapes = {f"{name}_pair_shape": np.array([2, -1, width], np.int64) for name, width in given.items()}
        _add_constants(model.graph, {**shapes, "pair_axis": np.array([0], np.int64)})
    return model


def _add_constants(graph: onnx.GraphProto, constants: dict[str, npt.NDArray[Any]]) -> None:
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Give every nameless node a name made of its output, so that reports can point at it."""
    for node in graph.node:
        node.name = node.name or f"{node.op_type}:{node.output[0]}"


class OtherStructureError(ValueError):
    """A graph is not put together as `compose_deployment` does it."""


@dataclass(frozen=True)
class Surroundings:
    """What `compose_deployment` put around a network.

    tensors: the outputs of its nodes.  views: the tensor that the network reads.
    given: those that it gives, by the names that the graph has for them.
    """

    tensors: frozenset[str]
    views: str
    given: dict[str, str]


def find_surroundings(model: onnx.ModelProto, spec: ModelSpec) -> Surroundings:
    """Return what is around the network of a deployment graph, found by its structure, whatever its names.

    Raises OtherStructureError for a graph that was not composed here, and for one that does other things than
    `spec` says.
    """
    view = GraphView(model)
    expected, names = list(spec.outputs), [value.name for value in view.graph.output]
    if names != expected:
        raise OtherStructureError(f"expected that it gives {expected}, found {names}")
    front = _find_front(view, spec)
    backs = {name: _find_back(view, spec, name) for name in names}
    nodes = [*front, *itertools.chain.from_iterable(backs.values())]
    given = {name: str(back[0].input[0]) if back else name for name, back in backs.items()}
    return Surroundings(frozenset(node.output[0] for node in nodes), views=front[-1].output[0], given=given)


def _find_front(view: GraphView, spec: ModelSpec) -> list[onnx.NodeProto]:
    """Return the nodes that make views of crops, in order; see `_front`."""
    cast = _reader(view, view.graph.input[0].name, "Cast")
    nodes = [cast]
    if spec.mirror:
        pixels = cast.output[0]
        mirrored, both = _reader(view, pixels, "Slice"), _reader(view, pixels, "Concat")
        if list(both.input) != [pixels, mirrored.output[0]]:
            raise OtherStructureError("expected crops and their mirror images in one batch")
        nodes += [mirrored, both]
    nodes.append(_reader(view, nodes[-1].output[0], "Transpose"))
    if list(attribute(nodes[-1], "perm", [])) != _TO_PLANES:
        raise OtherStructureError(f"expected a Transpose by {_TO_PLANES}")
    nodes.append(_reader(view, nodes[-1].output[0], "Sub"))
    _check_operand(view, nodes[-1], 255 * np.array(spec.mean))
    nodes.append(_reader(view, nodes[-1].output[0], "Mul"))
    _check_operand(view, nodes[-1], 1 / (255 * np.array(spec.std)))
    return nodes


def _find_back(view: GraphView, spec: ModelSpec, name: str) -> list[onnx.NodeProto]:
    """Return the nodes that take the mean `name` over each crop and its mirror image, in order; see `_back`."""
    if not spec.mirror:
        return []
    mean = _producer(view, name, "ReduceMean")
    _check_operand(view, mean, [0])
    pairs = _producer(view, mean.input[0], "Reshape")
    _check_operand(view, pairs, [2, -1, spec.outputs[name]])
    return [pairs, mean]


def _reader(view: GraphView, tensor: str, kind: str) -> onnx.NodeProto:
    """Return the one node of the operator `kind` that reads `tensor` first."""
    found = [node for node, position in view.readers[tensor] if node.op_type == kind and position == 0]
    if len(found) != 1:
        raise OtherStructureError(f"expected one {kind} of {tensor!r}, found {len(found)}")
    return found[0]


def _producer(view: GraphView, tensor: str, kind: str) -> onnx.NodeProto:
    """Return the node that gives `tensor`, which has to be of the operator `kind`."""
    node = view.producers.get(tensor)
    if node is None or node.op_type != kind:
        raise OtherStructureError(f"expected a {kind} that gives {tensor!r}")
    return node


def _check_operand(view: GraphView, node: onnx.NodeProto, expected: npt.ArrayLike) -> None:
    """Refuse a `node` whose second input is no constant of the numbers `expected`."""
    found = view.value(node.input[1]) if len(node.input) > 1 else None
    if found is None or found.size != np.size(expected) or not np.allclose(found.ravel(), expected, rtol=1e-5):
        raise OtherStructureError(f"expected a {node.op_type} by {np.asarray(expected).tolist()}")
