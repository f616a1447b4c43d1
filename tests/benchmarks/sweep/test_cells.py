from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pptsn.benchmarks.sweep.cells import Cell, cells_of
from pptsn.runtime.base.errors import UsageError


def test_every_combination_is_a_cell_model_by_model() -> None:
    cells = cells_of(["a.onnx", "b.onnx"], ["auto"], ["ten", "center"], [8, 1], [None, 5])
    assert len(cells) == len(set(cells)) == 16
    assert cells[0] == Cell(model=Path("a.onnx"), backend="onnxruntime", views="ten", segments=8, batch=None)
    assert [(c.views, c.segments, c.batch) for c in cells[:4]] == [
        ("ten", 8, None),
        ("ten", 8, 5),
        ("ten", 1, None),
        ("ten", 1, 5),
    ]
    assert {c.model.name for c in cells[:8]} == {"a.onnx"}


def test_what_is_named_twice_is_measured_once() -> None:
    assert len(cells_of(["a.onnx"], ["auto", "onnxruntime"], ["ten", "ten"], [3, 3], [None, None])) == 1


@pytest.mark.parametrize(
    ("model", "backends", "taken"),
    [
        ("a.onnx", ["onnxruntime", "tensorrt"], ["onnxruntime"]),
        ("a.onnx", ["auto", "onnxruntime-tensorrt"], ["onnxruntime", "onnxruntime-tensorrt"]),
        ("a.engine", ["onnxruntime", "tensorrt"], ["tensorrt"]),
        ("a.engine", ["tensorrt", "auto"], ["auto"]),
        # Nothing fits: the cell says why, rather than that the model is missing from the report.
        ("a.onnx", ["tensorrt"], ["tensorrt"]),
        ("a.engine", ["onnxruntime"], ["onnxruntime"]),
    ],
)
def test_a_model_has_cells_for_the_backends_that_run_its_kind_of_file(
    model: str, backends: list[str], taken: list[str]
) -> None:
    assert [cell.backend for cell in cells_of([model], backends)] == taken


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"models": []}, "no cell"),
        ({"models": ["x/a.onnx", "y/a.onnx"]}, "a.onnx is named twice"),
        ({"backends": ["paddle"]}, "'paddle'; choose one of auto, onnxruntime"),
        ({"views": ["ten", "five"]}, "'five'; choose among ten, three, center"),
        ({"segments": [0]}, "expected 1 to"),
        ({"batches": [None, 0]}, "at least 1, got 0"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_measured(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        cells_of(**({"models": ["a.onnx"]} | changes))


def test_the_batch_does_not_change_the_question() -> None:
    one, other, third = cells_of(["a.onnx"], segments=[1, 2], batches=[None, 3])[:3]
    assert one.question == other.question != third.question
