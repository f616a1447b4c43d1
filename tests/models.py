"""Tiny deployment graphs for tests: real files with spec and digest, whose answers can be told by hand."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper, parser

from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.convert.graph.from_paddle import OPSET
from pptsn.runtime.model.file import sealed
from pptsn.runtime.model.spec import ModelSpec

LABELS = ("red", "green", "blue", "left")
CROP_SIZE = 32

# By name alone: its import outside of the engine would tell its makers.
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


def tiny_spec(**changes: object) -> ModelSpec:
    """Return the spec of the tiny model: crops of 32 px from frames of 40 px."""
    values = {
        "depth": 18,
        "labels": LABELS,
        "weights_digest": "0" * 64,
        "crop_size": CROP_SIZE,
        "short_side": 40,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
    }
    return ModelSpec(**(values | changes))  # type: ignore[arg-type]


def tiny_network(classes: int = len(LABELS), size: int = CROP_SIZE):  # type: ignore[no-untyped-def]
    """Return (B, 3, S, S) -> (B, C): the mean of each colour, and how much redder the left half is."""
    model = parser.parse_model(f"""<ir_version: 9, opset_import: ["" : {OPSET}]>
        tiny (float[B, 3, {size}, {size}] x) => (float[B, {classes}] y) {{
            planes = Conv<kernel_shape = [{size}, {size}]>(x, weight)
            flat = Flatten<axis = 1>(planes)
            y = Identity(flat)
        }}""")
    weight = np.zeros((classes, 3, size, size), np.float32)
    for colour in range(3):
        weight[colour, colour] = 4 / size**2
    weight[3, 0, :, : size // 2] = 4 / size**2
    weight[3, 0, :, size // 2 :] = -4 / size**2
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    return model


def write_tiny_model(path: Path, *, mirror: bool = True, **changes: object) -> Path:
    """Write the tiny model to `path` and return it."""
    graph, spec = compose_deployment(tiny_network(), tiny_spec(**changes), mirror=mirror)
    write_model(graph, spec, path)
    return path


def write_foreign_model(path: Path) -> Path:
    """Write a valid ONNX model that is no PP-TSN to `path` and return it."""
    path.write_bytes(helper.make_model(tiny_network().graph).SerializeToString())
    return path


def write_crafted_model(path: Path, graph: str, *, opset: int = OPSET, **changes: object) -> Path:
    """Write a model that no release makes: `graph`, in ONNX's text form, sealed with the tiny spec."""
    model = parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> {graph}')
    path.write_bytes(sealed(model.SerializeToString(), tiny_spec(**changes)))
    return path


def write_blind_model(path: Path, *, below: float = 100) -> Path:
    """Write a model whose logits are no numbers for crops darker than `below` (0..255), and finite for others."""
    size, classes = CROP_SIZE, len(LABELS)
    return write_crafted_model(
        path,
        f"""blind (uint8[N, {size}, {size}, 3] crops) => (float[N, {classes}] logits)
            <int64[3] axes = {{1, 2, 3}}, float[1] least = {{{below}}}, float[1, {classes}] ones = {{1, 1, 1, 1}},
             int64[2] shape = {{-1, 1}}> {{
            pixels = Cast<to = 1>(crops)
            brightness = ReduceMean<keepdims = 0>(pixels, axes)
            over = Sub(brightness, least)
            root = Sqrt(over)
            column = Reshape(root, shape)
            logits = MatMul(column, ones)
        }}""",
    )
