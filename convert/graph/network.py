"""The per-view network: taken out of a deployment graph, so that it can be converted and put back."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from pptsn.convert.graph import NETWORK_PREFIX
from pptsn.convert.graph.classifier import expose_features
from pptsn.convert.graph.deployment import OtherStructureError, compose_deployment, find_surroundings
from pptsn.convert.graph.files import load_model, write_model
from pptsn.convert.graph.simplify import remove_unused
from pptsn.convert.graph.view import GraphView
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.spec import FEATURES, LOGITS, ModelSpec

INPUT_NAME, OUTPUT_NAME, _FEATURES_NAME = "views", "view_logits", "view_features"
_REMEDY = "make one by: pptsn convert onnx"


class Network(GraphView):
    """A per-view network, views (B, 3, S, S) float32 -> view_logits (B, C) float32, with the spec that it is for.

    Where it ends in a linear classifier, what that reads, (B, D) float32, is its second output.

    model: its graph, which nobody changes: an edited `copy_model` becomes a network of its own by `remade`.
    spec: of the deployment graph around it.  source: the file it came from, for errors.
    """

    def __init__(self, model: onnx.ModelProto, spec: ModelSpec, *, source: object) -> None:
        super().__init__(model)
        self.spec, self.source = spec, source

    def copy_model(self) -> onnx.ModelProto:
        """Return a copy of the graph, to be edited."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        return copy

    def remade(self, model: onnx.ModelProto, *, precision: str | None = None) -> Network:
        """Return the network that `model`, made from this one's, is; of another precision where one is given."""
        spec = self.spec if precision is None else dataclasses.replace(self.spec, precision=precision)
        return Network(model, spec, source=self.source)

    def deployed(self) -> onnx.ModelProto:
        """Return the deployment graph around this network, as its spec says."""
        return self._composed()[0]

    def _composed(self) -> tuple[onnx.ModelProto, ModelSpec]:
        return compose_deployment(self.copy_model(), self.spec, mirror=self.spec.mirror)

    def write(self, path: Path, *, quantization: dict[str, Any] | None = None) -> None:
        """Write the deployment graph around this network to `path`; see `write_model`."""
        write_model(*self._composed(), path, quantization=quantization)

    @cached_property
    def convolutions(self) -> dict[str, onnx.NodeProto]:
        """The Conv nodes by name, in the graph's order."""
        return {node.name: node for node in self.of_kind("Conv")}

    def weights(self, convolution: onnx.NodeProto) -> npt.NDArray[np.float32]:
        """Return the weights (O, I, h, w) of a convolution."""
        return numpy_helper.to_array(self.initializers[convolution.input[1]])

    def bias(self, convolution: onnx.NodeProto) -> npt.NDArray[np.float32]:
        """Return the bias (O,) of a convolution; raises ModelError where it has none, as no folded one is."""
        if len(convolution.input) < 3:
            cause = f"its convolution {convolution.name!r} has no bias, expected what `pptsn convert onnx` writes"
            raise ModelError(self.source, cause, _REMEDY)
        return numpy_helper.to_array(self.initializers[convolution.input[2]])

    @cached_property
    def residual_adds(self) -> list[onnx.NodeProto]:
        """The Add nodes of which no input is a constant."""
        return [node for node in self.of_kind("Add") if self.initializers.keys().isdisjoint(node.input)]

    def shortcut(self, add: onnx.NodeProto) -> str:
        """Return the input of a residual Add that comes the shorter way, past fewer convolutions.

        Raises ModelError where both come past as many.
        """
        first, second = add.input
        passed = self._convolutions_since_fork(first), self._convolutions_since_fork(second)
        if passed[0] == passed[1]:
            cause = f"{add.name!r} adds two branches of {passed[0]} convolutions: no shortcut"
            raise ModelError("network", cause)
        return str(first if passed[0] < passed[1] else second)

    def _convolutions_since_fork(self, name: str) -> int:
        """Count the convolutions between `name` and the tensor before it that others read as well."""
        count = 0
        while len(self.readers[name]) == 1 and name in self.producers:
            node = self.producers[name]
            count += node.op_type == "Conv"
            name = node.input[0]
        return count


def load_network(path: str | Path) -> Network:
    """Return the per-view network of the FP32 deployment graph at `path`.

    Raises ModelError for a damaged or foreign file, and for a model that is not FP32: each precision is made from
    FP32 weights, never from rounded ones.
    """
    model, spec = load_model(path)
    if spec.precision != "fp32":
        raise ModelError(
            path, f"is {spec.precision} already, expected the FP32 model", "name the file of `pptsn convert onnx`"
        )
    return extract_network(model, spec, source=path)


def extract_network(model: onnx.ModelProto, spec: ModelSpec, *, source: object) -> Network:
    """Return the network inside the deployment graph `model`: what `compose_deployment` was given, up to names.

    That of a graph of before there were features has them too.
    Raises ModelError, naming `source`, where the graph was not composed by this program, or does other things
    with its crops than `spec` says.
    """
    try:
        around = find_surroundings(model, spec)
    except OtherStructureError as error:
        cause = f"is no deployment graph as this release makes them ({error})"
        raise ModelError(source, cause, _REMEDY) from error
    nodes = [node for node in model.graph.node if node.output[0] not in around.tensors]
    read, given = _border(model.graph, nodes)
    if (read, given) != ({around.views}, set(around.given.values())):
        raise ModelError(source, f"its network reads {sorted(read)} and gives {sorted(given)}", _REMEDY)
    network = onnx.ModelProto()
    network.CopyFrom(model)
    del network.metadata_props[:], network.graph.node[:], network.graph.input[:], network.graph.output[:]
    network.graph.node.extend(nodes)
    outputs = {LOGITS: (OUTPUT_NAME, spec.classes), FEATURES: (_FEATURES_NAME, spec.features)}
    names = {tensor: outputs[name][0] for name, tensor in around.given.items()}
    _rename(network.graph, {around.views: INPUT_NAME, **names})
    size = spec.crop_size
    network.graph.input.append(_value(INPUT_NAME, ["B", 3, size, size]))
    network.graph.output.extend(_value(outputs[name][0], ["B", outputs[name][1]]) for name in around.given)
    network.graph.name = "network"
    remove_unused(network.graph)
    if FEATURES not in around.given:
        expose_features(network)
    return Network(network, spec, source=source)


def _border(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> tuple[set[str], set[str]]:
    """Return the tensors that `nodes` read from outside, constants apart, and those that they give."""
    made = {name for node in nodes for name in node.output}
    constants = {initializer.name for initializer in graph.initializer}
    read = {name for node in nodes for name in node.input if name} - made - constants
    outside = {name for node in graph.node if node.output[0] not in made for name in node.input}
    return read, made & (outside | {output.name for output in graph.output})


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
