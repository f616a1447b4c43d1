"""Models: graphs mutated, and sealed again, so that their digest is right and a library sees them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pptsn.runtime.engines import open_engine
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.spec import ModelSpec
from tools.mutation.read.kind import Kind, mutated
from tools.targets.tiny_model import write_tiny_model

_COUNT = 400


def kinds() -> list[Kind]:
    """Return the kind."""
    return [Kind("models", _COUNT, lambda folder: [_example()[0]], _run, ".onnx", _crafted)]


@functools.cache
def _example() -> tuple[bytes, ModelSpec]:
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiny_model(Path(folder) / "m.onnx")
        return path.read_bytes(), ModelFile.open(path).spec


def _crafted(rng: np.random.Generator, examples: Sequence[bytes]) -> bytes:
    content = mutated(rng, examples)
    try:
        return sealed(content, _example()[1])
    except ValueError:  # no message any longer: it stays as it is
        return content


def _run(path: Path) -> None:
    with open_engine(path, backend="onnxruntime", device="cpu") as engine:
        size = engine.spec.crop_size
        engine.infer(np.zeros((2, size, size, 3), np.uint8))
