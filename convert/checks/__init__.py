"""What TensorRT would refuse about a model, told from its graph alone: one small function a rule.

A rule speaks of every version from 10.3 on and of TensorRT-RTX: what one of them refuses, or takes for something
else than the graph says, is a fault even where another one takes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx

from pptsn.convert.checks import interface, operators, quantization
from pptsn.convert.checks.finding import Finding
from pptsn.convert.graph.files import load_model
from pptsn.convert.graph.view import GraphView
from pptsn.runtime.base.errors import ModelError

__all__ = ["RULES", "Finding", "check_file", "find_faults", "require_buildable"]

Rule = Callable[[GraphView], Iterator[Finding]]

# In the order in which findings are told.
RULES: tuple[Rule, ...] = (
    interface.dynamic_dimensions,
    interface.opset_version,
    interface.foreign_operators,
    interface.uint8_goes_into_casts,
    operators.supported_operators,
    operators.supported_types,
    operators.one_float_type,
    operators.finite_constants,
    quantization.integer_types,
    quantization.zero_points,
    quantization.scale_values,
    quantization.scale_types,
    quantization.channels,
    quantization.pairs,
    quantization.additions,
    quantization.half_quantized,
)


def find_faults(model: onnx.ModelProto) -> list[Finding]:
    """Return what every rule finds in `model`, which stays as it is."""
    view = GraphView(model)
    return [dataclasses.replace(finding, rule=rule.__name__) for rule in RULES for finding in rule(view)]


def check_file(path: str | Path) -> list[Finding]:
    """Return the findings in the deployment graph at `path`; raises ModelError for a damaged or foreign file."""
    model, _ = load_model(path)
    return find_faults(model)


def require_buildable(model: onnx.ModelProto, path: str | Path) -> None:
    """Raise ModelError, naming the first fault, where TensorRT would refuse `model`, the graph at `path`."""
    faults = [finding for finding in find_faults(model) if finding.refused]
    if faults:
        first, *rest = faults
        more = f"{len(rest)} more fault{'s' if len(rest) > 1 else ''}"
        others = f" (and {more}: pptsn convert check {path})" if rest else ""
        raise ModelError(path, f"TensorRT would refuse it: {first.thing}: {first.cause}{others}", first.remedy)
