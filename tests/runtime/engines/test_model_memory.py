"""A graph that asks for more memory than models may take is one line, whatever way it asks, whatever runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pptsn.runtime.engines.model_memory import most_bytes
from tests.models import CROP_SIZE, LABELS, needs_openvino, write_crafted_model

LIMIT_MB = 100
# In a process of its own: the bound is a process's, and so is its peak.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import open_engine
said = []
for path in sys.argv[2:]:
    try:
        with open_engine(path, backend=sys.argv[1], device="cpu") as engine:
            size = engine.spec.crop_size
            engine.infer(np.zeros((1, size, size, 3), np.uint8))
        said.append("")
    except ModelError as error:
        said.append(error.cause)
# Of this program alone: `ru_maxrss` begins with what the process that started it held.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([int(status["VmHWM"].split()[0]) // 1000, *said]))
"""
# What makes `big` of 2 ** `doublings` values or about so many: of constants, and of what the crops hold.
WAYS = {
    "expand": "big = Expand(zero, shape)",
    "constant": "big = ConstantOfShape(shape)",
    "expand the crops": "least = ReduceMin<keepdims = 0>(pixels) big = Expand(least, shape)",
    "tile": "one = Reshape(zero, ones) big = Tile(one, shape)",
    "sum of a row and a column": "a = Expand(zero, across) b = Expand(zero, down) big = Add(a, b)",
    # Computed by OpenVINO while it reads a file, so as to know the shape.
    "the greatest as a shape": "all = Expand(count, shape) most = ReduceMax<keepdims = 1>(all) "
    "at = Reshape(most, flat) big = Expand(zero, at)",
}
OF_CROPS = "expand the crops"
DOUBLINGS = (10, 20, 27, 33, 50)


def write_bomb(path: Path, way: str, doublings: int) -> Path:
    size, classes = CROP_SIZE, len(LABELS)
    rows, columns = 2 ** (doublings // 2), 2 ** (doublings - doublings // 2)
    return write_crafted_model(
        path,
        f"""bomb (uint8[N, {size}, {size}, 3] crops) => (float[N, {classes}] logits)
            <int64[3] axes = {{1, 2, 3}}, float[1] zero = {{0}}, float[1, {classes}] row = {{0, 0, 0, 0}},
             int64[1] count = {{3}}, int64[2] shape = {{{rows}, {columns}}}, int64[2] across = {{1, {columns}}},
             int64[2] down = {{{rows}, 1}}, int64[1] flat = {{1}}, int64[2] ones = {{1, 1}},
             int64[2] column = {{-1, 1}}> {{
            pixels = Cast<to = 1>(crops)
            {way}
            total = ReduceMax<keepdims = 0>(big)
            brightness = ReduceMean<keepdims = 0>(pixels, axes)
            both = Add(brightness, total)
            upright = Reshape(both, column)
            logits = MatMul(upright, row)
        }}""",
    )


def chain(doublings: int) -> str:
    """Return what doubles a constant so often by Concat."""
    links = [f"c{n + 1} = Concat<axis = 0>(c{n}, c{n})" for n in range(doublings)]
    return " ".join(["c0 = Identity(zero)", *links, f"big = Identity(c{doublings})"])


def many(count: int) -> str:
    """Return what needs so many constants of 64 MB, one after the other."""
    parts = [f"e{n} = Expand(zero, shape) m{n} = ReduceMax<keepdims = 0>(e{n})" for n in range(count)]
    return " ".join([*parts, f"big = Max({', '.join(f'm{n}' for n in range(count))})"])


def infer_bombs(backend: str, folder: Path) -> tuple[int, dict[tuple[str, int], str]]:
    """Run all of them in one process; return its peak in MB, and what it said of each, "" where it ran."""
    bombs = {(name, doublings): (way, doublings) for name, way in WAYS.items() for doublings in DOUBLINGS}
    bombs |= {("chain", doublings): (chain(doublings), 10) for doublings in (10, 24, 40)}
    bombs |= {("many", count): (many(count), 24) for count in (1, 40)}
    paths = [write_bomb(folder / f"{n}.onnx", *bomb) for n, bomb in enumerate(bombs.values())]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, backend, *map(str, paths)],
        env={**os.environ, "PPTSN_MAX_MODEL_MB": str(LIMIT_MB), "XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    peak_mb, *said = json.loads(run.stdout)
    return peak_mb, dict(zip(bombs, said, strict=True))


def test_half_of_the_machine_s_memory_is_for_models_if_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_000_000}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    monkeypatch.delenv("PPTSN_MAX_MODEL_MB", raising=False)
    assert most_bytes() == 4_096_000_000


def test_onnx_runtime_takes_so_much_and_no_more(tmp_path: Path) -> None:
    peak_mb, said = infer_bombs("onnxruntime", tmp_path)
    # Some of ONNX Runtime's kernels have a bound of their own.
    refused = (f"needs more memory than the {LIMIT_MB} MB that models may take", "exceeds the supported maximum")
    for (name, size), cause in said.items():
        if size in DOUBLINGS[:2] or name == "many":
            assert cause == "", (name, size)
        if size > 26 and name != "many":
            assert any(text in cause for text in refused), (name, size, cause)
    assert peak_mb < 400


@needs_openvino
def test_openvino_is_given_no_graph_that_may_take_more(tmp_path: Path) -> None:
    peak_mb, said = infer_bombs("openvino", tmp_path)
    assert [said[OF_CROPS, size] for size in DOUBLINGS[:2]] == ["", ""]
    too_much = f"needs more memory than the {LIMIT_MB} MB that models may take"
    for (name, size), cause in said.items():
        if name == OF_CROPS:
            assert cause == ("" if size <= 20 else too_much), size
        else:  # whatever the size is that OpenVINO would have to compute
            assert "for which OpenVINO may take any memory" in cause, (name, size)
    assert peak_mb < 400
