"""A graph that asks for more memory than models may take is one line, whatever way it asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pptsn.runtime.engines.onnxruntime.memory_bound import over_bound
from tests.models import CROP_SIZE, LABELS, write_crafted_model

LIMIT_MB = 100
# In a process of its own: the bound is a process's, and so is its peak.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import open_engine
said = []
for path in sys.argv[1:]:
    try:
        with open_engine(path, backend="onnxruntime", device="cpu") as engine:
            size = engine.spec.crop_size
            engine.infer(np.zeros((1, size, size, 3), np.uint8))
        said.append("")
    except ModelError as error:
        said.append(error.cause)
# Of this program alone: `ru_maxrss` begins with what the process that started it held.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([int(status["VmHWM"].split()[0]) // 1000, *said]))
"""
# What makes `big` of so many values: of constants, and of what the crops hold.
WAYS = {
    "expand": "big = Expand(zero, shape)",
    "constant": "big = ConstantOfShape(shape)",
    "expand the crops": "least = ReduceMin<keepdims = 0>(pixels) big = Expand(least, shape)",
    "tile": "one = Reshape(zero, ones) big = Tile(one, shape)",
}


def write_bomb(path: Path, way: str, values: int) -> Path:
    size, classes = CROP_SIZE, len(LABELS)
    return write_crafted_model(
        path,
        f"""bomb (uint8[N, {size}, {size}, 3] crops) => (float[N, {classes}] logits)
            <int64[3] axes = {{1, 2, 3}}, float[1] zero = {{0}}, float[1, {classes}] row = {{0, 0, 0, 0}},
             int64[2] shape = {{1000, {values // 1000}}}, int64[2] ones = {{1, 1}}, int64[2] column = {{-1, 1}}> {{
            pixels = Cast<to = 1>(crops)
            {way}
            total = ReduceMax<keepdims = 0>(big)
            brightness = ReduceMean<keepdims = 0>(pixels, axes)
            both = Add(brightness, total)
            upright = Reshape(both, column)
            logits = MatMul(upright, row)
        }}""",
    )


def test_half_of_the_machine_s_memory_is_for_models_if_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_000_000}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    monkeypatch.delenv("PPTSN_MAX_MODEL_MB", raising=False)
    assert over_bound("bad_alloc") == "needs more memory than the 4096 MB that models may take"


@pytest.mark.parametrize("way", WAYS)
def test_a_graph_may_take_so_much_and_no_more(tmp_path: Path, way: str) -> None:
    sizes = [10_000, 1_000_000, 100_000_000, 10_000_000_000, 10**15]
    paths = [write_bomb(tmp_path / f"{size}.onnx", WAYS[way], size) for size in sizes]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, paths)],
        env={**os.environ, "PPTSN_MAX_MODEL_MB": str(LIMIT_MB)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    peak_mb, *said = json.loads(run.stdout)
    assert said[:3] == ["", "", f"needs more memory than the {LIMIT_MB} MB that models may take"]
    # Some of ONNX Runtime's kernels have a bound of their own.
    assert all("needs more memory than" in cause or "exceeds the supported maximum" in cause for cause in said[2:])
    assert peak_mb < 400
