"""A session is what its spec says in every dimension, and what fails in it is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import open_engine
from tests.models import CROP_SIZE, LABELS, needs_openvino, write_crafted_model

BACKENDS = ["onnxruntime", pytest.param("openvino?cache=0", marks=needs_openvino)]
S, C = CROP_SIZE, len(LABELS)


def _graph(crops: str, logits: str, *, batch: str = "-1", classes: int = C) -> str:
    """Return a graph from `crops` to `logits`, as they are declared; what it computes has `batch` rows."""
    return f"""g ({crops} crops) => ({logits} logits)
        <int64[2] shape = {{{batch}, {S * S * 3}}}, float w = {{0}}, int64[2] rows = {{{batch}, {classes}}},
         int64[3] axes = {{1, 2, 3}}, int64[2] column = {{{batch}, 1}},
         float[1, {classes}] ones = {{{", ".join(["1"] * classes)}}}> {{
        pixels = Cast<to = 1>(crops)
        mean = ReduceMean<keepdims = 0>(pixels, axes)
        means = Reshape(mean, column)
        logits = MatMul(means, ones)
    }}"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("crops", "logits", "fits"),
    [
        (f"uint8[N, {S}, {S}, 3]", f"float[N, {C}]", True),
        (f"uint8[1, {S}, {S}, 3]", f"float[1, {C}]", False),
        (f"uint8[5, {S}, {S}, 3]", f"float[5, {C}]", False),
        (f"uint8[N, {S + 1}, {S}, 3]", f"float[N, {C}]", False),
        (f"uint8[N, {S}, {S + 1}, 3]", f"float[N, {C}]", False),
        (f"uint8[N, {S}, {S}, 4]", f"float[N, {C}]", False),
        (f"uint8[N, H, {S}, 3]", f"float[N, {C}]", False),
        (f"uint8[N, {S}, W, 3]", f"float[N, {C}]", False),
        (f"uint8[N, {S}, {S}, K]", f"float[N, {C}]", False),
        (f"int8[N, {S}, {S}, 3]", f"float[N, {C}]", False),
        (f"float[N, {S}, {S}, 3]", f"float[N, {C}]", False),
    ],
)
def test_crops_and_logits_are_checked_in_every_dimension(
    tmp_path: Path, backend: str, crops: str, logits: str, fits: bool
) -> None:
    path = write_crafted_model(tmp_path / "m.onnx", _graph(crops, logits))
    if fits:
        with open_engine(path, backend=backend, device="cpu") as engine:
            assert engine.infer(np.zeros((2, S, S, 3), np.uint8)).shape == (2, C)
        return
    with pytest.raises(ModelError, match=r"expected .*crops|cannot load|sizes depend on their values"):
        open_engine(path, backend=backend, device="cpu")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("classes", [1, C - 1, C, C + 1, 400])
def test_classes_are_those_of_the_spec(tmp_path: Path, backend: str, classes: int) -> None:
    graph = _graph(f"uint8[N, {S}, {S}, 3]", f"float[N, {classes}]", classes=classes)
    path = write_crafted_model(tmp_path / "m.onnx", graph)
    if classes == C:
        open_engine(path, backend=backend, device="cpu").close()
        return
    with pytest.raises(ModelError, match="expected "):
        open_engine(path, backend=backend, device="cpu")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_that_fails_while_it_runs_is_one_line(tmp_path: Path, backend: str) -> None:
    """It reshapes two crops into the rows of three."""
    path = write_crafted_model(
        tmp_path / "m.onnx",
        f"""g (uint8[N, {S}, {S}, 3] crops) => (float[N, {C}] logits)
            <int64[3] axes = {{1, 2, 3}}, int64[2] column = {{3, 1}}, float[1, {C}] ones = {{1, 1, 1, 1}}> {{
            pixels = Cast<to = 1>(crops)
            mean = ReduceMean<keepdims = 0>(pixels, axes)
            means = Reshape(mean, column)
            logits = MatMul(means, ones)
        }}""",
    )
    with pytest.raises(ModelError) as caught, open_engine(path, backend=backend, device="cpu") as engine:
        engine.infer(np.zeros((2, S, S, 3), np.uint8))
    assert str(caught.value).isprintable()
