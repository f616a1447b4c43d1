"""Taking the per-view network out of a deployment graph again, so that it can be converted and put back."""

from __future__ import annotations

from pathlib import Path

import onnx

from pptsn.convert.graph.deployment import NETWORK_PREFIX, compose_deployment
from pptsn.convert.graph.model_file import load_model
from pptsn.convert.graph.simplify import remove_unused
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.spec import ModelSpec

INPUT_NAME, OUTPUT_NAME = "views", "view_logits"
_REMEDY = "make it again by: pptsn convert onnx"


def load_network(path: str | Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return the per-view network of an FP32 deployment graph, (B, 3, S, S) -> (B, C), and its spec.

    Raises ModelError for a damaged or foreign file, and for a model that is not FP32: each precision is made from
    FP32 weights, never from rounded ones.
    """
    model, spec = load_model(path)
    if spec.precision != "fp32":
        raise ModelError(
            path, f"is {spec.precision} already, expected the FP32 model", "name the file of `pptsn convert onnx`"
        )
    return extract_network(model, spec, source=path), spec


def extract_network(model: onnx.ModelProto, spec: ModelSpec, *, source: object) -> onnx.ModelProto:
    """Return the network inside the deployment graph `model`: what `compose_deployment` was given, up to names.

    Raises ModelError, naming `source`, where the graph was not composed by this program.
    """
    nodes = [node for node in model.graph.node if node.name.startswith(NETWORK_PREFIX)]
    if not nodes:
        raise ModelError(source, f"has no nodes named {NETWORK_PREFIX}...: it is no deployment graph", _REMEDY)
    made = {name for node in nodes for name in node.output}
    values = {initializer.name for initializer in model.graph.initializer}
    read = {name for node in nodes for name in node.input if name} - made - values
    outside = {name for node in model.graph.node if node not in nodes for name in node.input}
    given = (made & outside) | (made & {output.name for output in model.graph.output})
    if len(read) != 1 or len(given) != 1:
        raise ModelError(source, f"its network reads {sorted(read)} and gives {sorted(given)}", _REMEDY)
    network = onnx.ModelProto()
    network.CopyFrom(model)
    del network.metadata_props[:], network.graph.node[:], network.graph.input[:], network.graph.output[:]
    network.graph.node.extend(nodes)
    _rename(network.graph, {read.pop(): INPUT_NAME, given.pop(): OUTPUT_NAME})
    size = spec.crop_size
    network.graph.input.append(_value(INPUT_NAME, ["B", 3, size, size]))
    network.graph.output.append(_value(OUTPUT_NAME, ["B", spec.classes]))
    network.graph.name = "network"
    remove_unused(network.graph)
    return network


def _value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Give the tensors in `names` their new names, and take the prefix off all others and off the nodes."""

    def plain(name: str) -> str:
        return names.get(name, name.removeprefix(NETWORK_PREFIX))

    for node in graph.node:
        node.name = node.name.removeprefix(NETWORK_PREFIX)
        for tensors in (node.input, node.output):
            tensors[:] = [plain(name) for name in tensors]
    for initializer in graph.initializer:
        initializer.name = plain(initializer.name)


def recompose(network: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """Return the deployment graph around `network`, as `spec` says; `network` is left as it is."""
    own = onnx.ModelProto()
    own.CopyFrom(network)
    return compose_deployment(own, spec, mirror=spec.mirror)[0]
