"""The per-view network inside a deployment graph, by itself: what others deploy.

`pptsn.convert.graph.deployment` puts the graph together; here it is taken apart again, by its structure alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, install_command
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.providers import CPU
from pptsn.runtime.model.onnx_file import read_spec
from pptsn.runtime.model.spec import ModelSpec

Views = npt.NDArray[np.float32]

_TO_PLANES = [0, 3, 1, 2]


class PlainNetwork(Closing):
    """The per-view network of an FP32 model, run by ONNX Runtime on the CPU; errors as `write_plain_network`."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            network = write_plain_network(model, Path(folder) / "plain.onnx")
            self._session: Any = onnxruntime.InferenceSession(str(network), options, providers=[CPU])
        self._input = self._session.get_inputs()[0].name

    def infer(self, views: Views) -> Logits:
        """Return the logits (N, C) float32 of `views` (N, 3, S, S) float32, normalised."""
        if self._session is None:
            raise ValueError("the network is closed")
        (logits,) = self._session.run(None, {self._input: views})
        result: Logits = logits
        return result

    def close(self) -> None:
        """Release the network."""
        self._session = None


def write_plain_network(model: str | Path, path: Path, *, precisions: Collection[str] = ("fp32",)) -> Path:
    """Write the network of the deployment graph at `model` to `path`, and return `path`.

    The network takes views (N, 3, S, S) float32, normalised by the spec's mean and std, and returns their logits
    (N, C) float32.  The mean over a crop and its mirror image, which the deployment graph takes, is left to the
    caller.

    precisions: those that the caller takes.  In FP16 the network takes and gives FP32 too, and casts inside.
    Raises ModelError for a graph in another precision, or that is put together in another way, and
    MissingDependencyError without the package `onnx`.
    """
    onnx = _import_onnx()
    spec = read_spec(model)
    if spec.precision not in precisions:
        needed = " or ".join(precision.upper() for precision in precisions)
        cause = f"is in {spec.precision.upper()}, the plain way needs {needed}"
        raise ModelError(model, cause, f"name the {needed} model that it was made from")
    whole = onnx.load(str(model))
    try:
        plain = _plain_model(onnx, whole, spec)
        onnx.checker.check_model(plain)
    except (_OtherStructureError, onnx.checker.ValidationError) as error:
        cause = f"is no deployment graph as this release makes them ({error})"
        raise ModelError(model, cause, "make one by: pptsn convert onnx") from error
    with atomic_file(path) as temporary:
        temporary.write_bytes(plain.SerializeToString())
    return path


class _OtherStructureError(ValueError):
    """The graph is not put together as expected."""


def _import_onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.numpy_helper
    except ImportError as error:
        cause = f"taking the network out of a model needs it ({error})"
        raise MissingDependencyError("onnx", cause, f"run: {install_command('convert')}") from error
    return onnx


@dataclass(frozen=True)
class _Graph:
    """A graph's nodes by what they give and by what they take, and its constants by name."""

    nodes: list[Any]
    producers: Mapping[str, Any]
    constants: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, onnx: Any, graph: Any) -> _Graph:
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        producers = {name: node for node in graph.node for name in node.output}
        return cls(list(graph.node), producers, constants)

    def consumer(self, name: str, op_type: str) -> Any:
        """Return the one node of `op_type` that takes `name` first; raises _OtherStructureError."""
        found = [node for node in self.nodes if node.op_type == op_type and node.input[0] == name]
        if len(found) != 1:
            raise _OtherStructureError(f"expected one {op_type} of {name!r}, found {len(found)}")
        return found[0]

    def producer(self, name: str, op_type: str) -> Any:
        """Return the node that gives `name`, which has to be of `op_type`; raises _OtherStructureError."""
        node = self.producers.get(name)
        if node is None or node.op_type != op_type:
            raise _OtherStructureError(f"expected a {op_type} that gives {name!r}")
        return node

    def check_operand(self, node: Any, expected: npt.ArrayLike) -> None:
        """Raise _OtherStructureError where what `node` takes second is no constant of the numbers `expected`."""
        found = self.constants.get(node.input[1]) if len(node.input) > 1 else None
        if found is None or found.size != np.size(expected) or not np.allclose(found.ravel(), expected, rtol=1e-5):
            raise _OtherStructureError(f"expected a {node.op_type} by {np.asarray(expected).tolist()}")


def _plain_model(onnx: Any, whole: Any, spec: ModelSpec) -> Any:
    """Return the model of the nodes between the normalisation and the mean over mirror images."""
    graph = _Graph.of(onnx, whole.graph)
    front, views = _front(onnx, graph, whole.graph.input[0].name, spec)
    back, logits = _back(graph, whole.graph.output[0].name, spec)
    around = {node.output[0] for node in front + back}
    nodes = [node for node in graph.nodes if node.output[0] not in around]
    used = {name for node in nodes for name in node.input}
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    size = spec.crop_size
    inner = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info(views, float32, ["N", 3, size, size])],
        [helper.make_tensor_value_info(logits, float32, ["N", spec.classes])],
        initializer=[tensor for tensor in whole.graph.initializer if tensor.name in used],
    )
    # Composing lists the one opset once for each part.
    opsets = {entry.domain: entry.version for entry in whole.opset_import}
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(inner, ir_version=whole.ir_version, opset_imports=imports)


def _front(onnx: Any, graph: _Graph, crops: str, spec: ModelSpec) -> tuple[list[Any], str]:
    """Return the nodes that make views of crops, and the views' name."""
    nodes = [graph.consumer(crops, "Cast")]
    if spec.mirror:
        pixels = nodes[0].output[0]
        mirrored, both = graph.consumer(pixels, "Slice"), graph.consumer(pixels, "Concat")
        if list(both.input) != [pixels, mirrored.output[0]]:
            raise _OtherStructureError("expected crops and their mirror images in one batch")
        nodes += [mirrored, both]
    nodes.append(graph.consumer(nodes[-1].output[0], "Transpose"))
    if _attribute(onnx, nodes[-1], "perm") != _TO_PLANES:
        raise _OtherStructureError(f"expected a Transpose by {_TO_PLANES}")
    nodes.append(graph.consumer(nodes[-1].output[0], "Sub"))
    graph.check_operand(nodes[-1], 255 * np.array(spec.mean))
    nodes.append(graph.consumer(nodes[-1].output[0], "Mul"))
    graph.check_operand(nodes[-1], 1 / (255 * np.array(spec.std)))
    return nodes, nodes[-1].output[0]


def _back(graph: _Graph, logits: str, spec: ModelSpec) -> tuple[list[Any], str]:
    """Return the nodes that take the mean over each crop and its mirror image, and the name of what they take."""
    if not spec.mirror:
        return [], logits
    mean = graph.producer(logits, "ReduceMean")
    graph.check_operand(mean, [0])
    pairs = graph.producer(mean.input[0], "Reshape")
    graph.check_operand(pairs, [2, -1, spec.classes])
    return [pairs, mean], pairs.input[0]


def _attribute(onnx: Any, node: Any, name: str) -> Any:
    found = [onnx.helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name]
    return list(found[0]) if found else None
