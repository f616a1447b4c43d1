"""What an ONNX file may hold, found by a walk through its messages before any library sees it (onnx.proto).

A graph of this project is whole: its tensors lie in the file, as many bytes of them as their shapes say.  What
says otherwise makes a library read other files, or make room for what was never written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pptsn.runtime.model.protobuf import Field, fields, numbers

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _FUNCTION, _TRAINING, _TENSOR, _SPARSE = range(8)
# The messages in each kind of message that can hold tensors: by field number.
_WITHIN: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_DIMENSIONS, _EXTERNAL_DATA, _DATA_LOCATION = 1, 13, 14
# Four bits are the smallest element.
_ELEMENTS_A_BYTE = 2
_MOST_DIMENSIONS = 64
# ResNet-200 in INT8 has 60,000.
MOST_FIELDS = 1_000_000
_DEEPEST = 20


def unfit_content(model: memoryview) -> str | None:
    """Return what in the serialized ModelProto `model` no model of this project has, or None.

    Raises BrokenMessageError where the bytes are no message.
    """
    left = MOST_FIELDS
    waiting = [(_MODEL, 0, 0, len(model))]  # kind, depth, start and end
    while waiting:
        kind, depth, start, end = waiting.pop()
        within = _WITHIN[kind]
        with model[start:end] as view:
            for part in fields(view):
                left -= 1
                inner = within.get(part.number)
                if inner == _TENSOR:
                    with view[part.content : part.end] as tensor:
                        wrong, visited = _unfit_tensor(tensor, left)
                    left -= visited
                    if wrong:
                        return wrong
                elif inner == _SPARSE:
                    return "holds sparse tensors"
                elif inner is not None and depth == _DEEPEST:
                    return f"nests graphs more than {_DEEPEST // 3} deep"
                elif inner is not None:
                    waiting.append((inner, depth + 1, start + part.content, start + part.end))
                if left < 0:
                    return f"has more than {MOST_FIELDS} parts"
    return None


def _unfit_tensor(tensor: memoryview, most_fields: int) -> tuple[str | None, int]:
    """Return what is wrong with a TensorProto, and how many fields were looked at: `most_fields` or a few more."""
    dimensions: list[int] = []
    visited = 0
    for part in fields(tensor):
        visited += 1
        if visited > most_fields:
            break
        if part.number == _EXTERNAL_DATA or (part.number == _DATA_LOCATION and any(_numbers(tensor, part))):
            return "keeps tensors in other files", visited
        if part.number == _DIMENSIONS:
            dimensions += _numbers(tensor, part)
        if len(dimensions) > _MOST_DIMENSIONS:
            return f"has a tensor of more than {_MOST_DIMENSIONS} dimensions", visited
    elements = math.prod(dimensions)
    if elements > _ELEMENTS_A_BYTE * len(tensor):  # a negative size is a very large one as it is written
        return f"has a tensor that claims {elements} values in {len(tensor)} bytes", visited
    return None, visited


def _numbers(message: memoryview, part: Field) -> Iterator[int]:
    return numbers(message, part, most=_MOST_DIMENSIONS + 1)
