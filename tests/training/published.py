"""The seeded checkpoint beside the project, for tests that compare with the original implementation."""

import importlib.util
from pathlib import Path

import numpy as np


def seeded_weights(shared: Path):
    """The module `seeded_weights` of the reference folder."""
    path = shared / "reference" / "seeded_weights.py"
    loaded = importlib.util.spec_from_file_location("seeded_weights", path)
    module = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(module)
    return module


def published_names(shared: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a published checkpoint, in its order."""
    return seeded_weights(shared).read_state_names()


def seeded_state(shared: Path) -> dict[str, np.ndarray]:
    """The checkpoint that the reference results were computed with."""
    return seeded_weights(shared).seeded_state()
