"""What an ONNX file may hold, found by a walk through its messages before any library sees it (onnx.proto).

A graph of this project is whole: its tensors lie in the file, as many bytes of them as their shapes say.  What
says otherwise makes a library read other files, or make room for what was never written.  It works on numbers,
whose memory can be bounded, as that of text cannot; and it has the operators that stand there, where functions
that call functions make a billion of a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

from pptsn.runtime.model.protobuf import Field, fields, numbers

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TRAINING, _TENSOR, _SPARSE, _FUNCTION = range(8)
# The messages in each kind of message that can hold tensors: by field number.
_WITHIN: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
# Those that no model of this project has.
_REFUSED = {_SPARSE: "holds sparse tensors", _FUNCTION: "defines functions"}
_DIMENSIONS, _DATA_TYPE, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 13, 14
# Of an AttributeProto.  Text comes into being by a Cast to it, or as a Constant's value.
_NAME, _INTEGER = 1, 3
_TEXT, _CAST_TO, _TEXT_VALUES = 8, b"to", (b"value_string", b"value_strings")
_LONGEST_NAME = 20
_HOLDS_TEXT = "holds text where numbers belong"
# Four bits are the smallest element.
_ELEMENTS_A_BYTE = 2
_MOST_DIMENSIONS = 64
# ResNet-200 in INT8 has 60,000.
MOST_FIELDS = 300_000
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
            if kind == _ATTRIBUTE and _makes_text(view, left):
                return _HOLDS_TEXT
            for part in fields(view):
                left -= 1
                inner = within.get(part.number)
                if inner == _TENSOR:
                    with view[part.content : part.end] as tensor:
                        wrong, visited = _unfit_tensor(tensor, left)
                    left -= visited
                    if wrong:
                        return wrong
                elif inner is not None and inner in _REFUSED:
                    return _REFUSED[inner]
                elif inner is not None and depth == _DEEPEST:
                    return f"nests graphs more than {_DEEPEST // 3} deep"
                elif inner is not None:
                    waiting.append((inner, depth + 1, start + part.content, start + part.end))
                if left < 0:
                    return f"has more than {MOST_FIELDS} parts"
    return None


def _makes_text(attribute: memoryview, most_fields: int) -> bool:
    """Whether an AttributeProto makes its node give text, by any of the values it is given: readers differ."""
    names, to_text = set(), False
    for part in islice(fields(attribute), most_fields):
        if part.number == _NAME:
            names.add(bytes(attribute[part.content : min(part.end, part.content + _LONGEST_NAME)]))
        elif part.number == _INTEGER:
            to_text = to_text or _TEXT in _numbers(attribute, part)
    return not names.isdisjoint(_TEXT_VALUES) or (to_text and _CAST_TO in names)


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
        if part.number == _DATA_TYPE and _TEXT in _numbers(tensor, part):
            return _HOLDS_TEXT, visited
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
