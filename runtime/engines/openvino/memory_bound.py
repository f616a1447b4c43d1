"""A bound on what a graph may ask for, reckoned before anything is computed.

A few hundred bytes of a graph can stand for terabytes, and OpenVINO, unlike ONNX Runtime, takes its memory from no
arena that could refuse them.  In a graph of this project all sizes follow from the number of crops, without any
computing; where they do not, OpenVINO computes while it reads the file.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from pptsn.runtime.model.operators import Operator, constants_of, operators_of

# Operators that give as many values as they take, by which weights are kept in fewer bits.
_ONE_EACH = ("Cast", "DequantizeLinear", "Identity", "QuantizeLinear")
_OF_SIZES = ("Shape", "Size")


def computed_early(path: Path) -> str:
    """Return the operator in the ONNX file at `path` that OpenVINO would compute to know sizes, or "".

    Those that hold graphs count, too: nobody looks into these.
    """
    with (
        open(path, "rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        return next(_computed_early(operators_of(view), set(constants_of(view))), "")


def _computed_early(operators: Iterator[Operator], constants: set[str]) -> Iterator[str]:
    for operator in operators:
        if operator.kind in _OF_SIZES or operator.has_graphs:
            yield operator.kind
        elif constants.issuperset(operator.inputs):
            if operator.kind not in _ONE_EACH and operator.inputs:
                yield operator.kind
            constants.update(operator.outputs)


def peak_bytes(model: Any, crops: int) -> int | None:
    """Return about how much the tensors of an openvino.Model, which changes, take at most for so many crops.

    None: some tensors have sizes that only their values tell.
    Raises RuntimeError where the shapes do not fit each other.
    """
    model.reshape([crops, *list(model.inputs[0].partial_shape)[1:]])
    readers: dict[Any, int] = {}  # to come, by output
    sizes: dict[Any, int] = {}
    alive = peak = 0
    for operation in model.get_ordered_ops():
        for output in operation.outputs():
            if output.get_partial_shape().is_dynamic:
                return None
            sizes[output] = prod(output.get_shape()) * output.get_element_type().bitwidth // 8
            readers[output] = len(output.get_target_inputs())
            alive += sizes[output]
        peak = max(peak, alive)
        for read in operation.inputs():
            source = read.get_source_output()
            readers[source] -= 1
            if not readers[source]:
                alive -= sizes[source]
    return peak
