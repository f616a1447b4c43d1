"""A model, and clips to classify by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.models import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three clips of other lengths and shapes; the second has fewer frames than most look at."""
    folder = tmp_path_factory.mktemp("clips")
    sizes = [(30, 96, 64), (7, 64, 96), (45, 80, 80)]
    return [
        write_clip(folder / f"{i}.mp4", frames=frames, width=width, height=height)
        for i, (frames, width, height) in enumerate(sizes)
    ]
