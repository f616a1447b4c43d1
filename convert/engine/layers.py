"""In which precision a plan runs each convolution, read from its build's log: an inspector would need a GPU.

A build with detailed profiling verbosity ends its log with one line a layer of the plan:

    Name: ..., LayerType: correlation, Inputs: [ { Name: ..., Datatype: Int8, ... }], Constants: [...], ...
    Metadata: [ONNX Layer: network/Conv.5]

The metadata name the ONNX nodes that became the layer; the first input is the activation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# A convolution is told by its kind of layer, or by the mark of a 1x1 convolution that became a matrix product.
# Other layers that name its node hold what was split off it, such as its bias and the quantizing of its result.
_LAYER = re.compile(r"^Name: .*?\bLayerType: (?P<kind>.*?), Inputs: \[(?P<inputs>.*?)\], (?:Constants|Outputs): ")
_KIND = re.compile("correlation|conv", re.IGNORECASE)
_MATRIX_PRODUCT = "gemm_from_conv"
_NODES = re.compile(r"\[ONNX Layer: (.*?)\]")
_TYPE = re.compile(r"\b(?:Format/)?Datatype: (?P<type>[^,}]*)")
_KINDS = {"int8": "int8", "half": "fp16", "fp16": "fp16", "float": "fp32", "fp32": "fp32"}


def convolution_precisions(messages: Iterable[str], convolutions: Iterable[str]) -> dict[str, str]:
    """Return the precision, one of model.spec.PRECISIONS, of those `convolutions` that the log tells of.

    messages: the verbose log of a build.  Empty where the library spells its layers another way, so that nothing
    is claimed that was not read.
    """
    wanted = set(convolutions)
    found: dict[str, str] = {}
    for line in _lines(messages):
        layer = _LAYER.match(line)
        if layer is None or not (_KIND.search(layer["kind"]) or _MATRIX_PRODUCT in line):
            continue
        precision = _precision(layer["inputs"])
        if precision is not None:
            found |= {node: precision for node in _NODES.findall(line) if node in wanted}
    return found


def _lines(messages: Iterable[str]) -> Iterator[str]:
    for message in messages:
        if "LayerType:" in message:
            yield from message.splitlines()


def _precision(inputs: str) -> str | None:
    """Return the precision of a layer's first input, or None where it is not told."""
    match = _TYPE.search(inputs)
    if match is None:
        return None
    words = match["type"].lower().split()
    return next((_KINDS[word] for word in words if word in _KINDS), None)
