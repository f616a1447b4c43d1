"""The operators of an ONNX graph, read off its messages without any library (onnx.proto)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pptsn.runtime.model.protobuf import fields

_GRAPH = 7  # of a ModelProto
_NODE, _INITIALIZER = 1, 5  # of a GraphProto
_INPUT, _OUTPUT, _KIND, _ATTRIBUTE = 1, 2, 4, 5  # of a NodeProto
_TENSOR_NAME = 8
_ATTRIBUTE_GRAPHS = (6, 11)


@dataclass(frozen=True)
class Operator:
    """One operator: its kind, in ONNX's words, the names of what it takes and gives, whether it holds graphs."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    has_graphs: bool


def operators_of(model: memoryview) -> Iterator[Operator]:
    """Yield the operators of the serialized ModelProto `model`, but for those within others, in order.

    Raises BrokenMessageError where the bytes are no message.
    """
    for node in _graph_parts(model, _NODE):
        texts: dict[int, list[str]] = {_INPUT: [], _OUTPUT: [], _KIND: []}
        has_graphs = False
        for part in fields(node):
            content = node[part.content : part.end]
            if part.number in texts:
                texts[part.number].append(_text(content))
            elif part.number == _ATTRIBUTE:
                has_graphs = has_graphs or any(inner.number in _ATTRIBUTE_GRAPHS for inner in fields(content))
            content.release()
        yield Operator("".join(texts[_KIND][-1:]), tuple(texts[_INPUT]), tuple(texts[_OUTPUT]), has_graphs)


def constants_of(model: memoryview) -> Iterator[str]:
    """Yield the names of the tensors that lie in `model`; errors as `operators_of`."""
    for tensor in _graph_parts(model, _INITIALIZER):
        for part in fields(tensor):
            if part.number == _TENSOR_NAME:
                with tensor[part.content : part.end] as content:
                    yield _text(content)


def _graph_parts(model: memoryview, number: int) -> Iterator[memoryview]:
    for part in fields(model):
        if part.number == _GRAPH:
            with model[part.content : part.end] as graph:
                for inner in fields(graph):
                    if inner.number == number:
                        with graph[inner.content : inner.end] as content:
                            yield content


def _text(content: memoryview) -> str:
    return bytes(content).decode(errors="replace")
