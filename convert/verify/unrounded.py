"""An INT8 graph with its activations left unrounded: what tells its constants without the noise of INT8.

The rounding of activations hides what is smaller than itself, and turns differences in the last bit into steps,
layer after layer, so that two right builds of an INT8 file differ as much from each other as from Paddle.  What is
left without it is a smooth function of the weights as they were rounded, of mean, deviation, order of channels and
mirroring: its logits are the same to many digits wherever they are computed.
"""

from __future__ import annotations

from collections import defaultdict

from pptsn.convert.verify.logits import infer_in_batches
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.protobuf import bytes_field, fields

# Of onnx.proto.
_GRAPH = 7  # ModelProto.graph
_NODE = 1  # GraphProto.node
_INPUT, _OUTPUT, _NAME, _OPERATOR = 1, 2, 3, 4  # NodeProto


def unrounded_logits(file: ModelFile, crops: Frame) -> Logits:
    """Return the logits (N, C) that an ONNX file gives for `crops` (N, S, S, 3) with its activations unrounded.

    Computed by ONNX Runtime on the CPU; raises MissingDependencyError where that is not installed.
    """
    with temporary_folder() as folder:
        path = folder / "unrounded.onnx"
        path.write_bytes(sealed(without_rounding(file.path.read_bytes()), file.spec))
        with OnnxRuntimeEngine(ModelFile.open(path), optimise=False) as engine:
            return infer_in_batches(engine, crops)


def without_rounding(model: bytes) -> bytes:
    """Return the serialized ModelProto `model` with an Identity for each QuantizeLinear and its DequantizeLinear.

    What dequantizes constants stays: weights are as the file has them.
    """
    view = memoryview(model)
    return b"".join(
        bytes_field(_GRAPH, _smooth_graph(view[part.content : part.end]))
        if part.number == _GRAPH
        else bytes(view[part.start : part.end])
        for part in fields(view)
    )


def _smooth_graph(graph: memoryview) -> bytes:
    parts = [(part.number, graph[part.start : part.end], graph[part.content : part.end]) for part in fields(graph)]
    nodes = [_texts(content) for number, _, content in parts if number == _NODE]
    readers: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        for name in node[_INPUT]:
            readers[name].update(node[_OPERATOR])
    rounded = {
        node[_OUTPUT][0]: node[_INPUT][0]
        for node in nodes
        if node[_OPERATOR] == ["QuantizeLinear"] and readers[node[_OUTPUT][0]] == {"DequantizeLinear"}
    }
    remaining = iter(nodes)
    return b"".join(
        _smooth_node(whole, next(remaining), rounded) if number == _NODE else bytes(whole)
        for number, whole, _ in parts
    )


def _smooth_node(whole: memoryview, node: dict[int, list[str]], rounded: dict[str, str]) -> bytes:
    """Return a node's field as it is; of a pair in `rounded`, nothing and an Identity."""
    if node[_OUTPUT][0] in rounded:
        return b""
    if node[_OPERATOR] != ["DequantizeLinear"] or node[_INPUT][0] not in rounded:
        return bytes(whole)
    values = {
        _INPUT: rounded[node[_INPUT][0]],
        _OUTPUT: node[_OUTPUT][0],
        _NAME: f"Identity:{node[_OUTPUT][0]}",
        _OPERATOR: "Identity",
    }
    return bytes_field(_NODE, b"".join(bytes_field(number, text.encode()) for number, text in values.items()))


def _texts(node: memoryview) -> dict[int, list[str]]:
    """Return a node's inputs, outputs and operator, in the order in which they stand."""
    texts: dict[int, list[str]] = {number: [] for number in (_INPUT, _OUTPUT, _OPERATOR)}
    for part in fields(node):
        if part.number in texts:
            texts[part.number].append(bytes(node[part.content : part.end]).decode())
    return texts
