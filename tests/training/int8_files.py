"""INT8 files as far as training reads them: what they say of themselves, around a network that is another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pptsn.runtime.model.file import ModelFile, sealed
from tests.models import tiny_spec, write_tiny_model


def write_int8_file(
    path: Path,
    *,
    scale: float = 0.05,
    places: Sequence[tuple[str, int, int]] = (("Conv", 0, 0), ("Conv", 3, 0), ("Add", 0, 1)),
    precision: str = "int8",
    depth: int = 18,
    weights_digest: str | None = None,
    **facts: object,
) -> Path:
    """Write a file that says that it reads activations at `places` by `scale`, and return it.

    weights_digest: of the weights that it says it was made of; None for that of nothing.
    """
    names = ("reader", "number", "input")
    activations = [dict(zip(names, place, strict=True), scale=scale, zero_point=0) for place in places]
    content = ModelFile.open(write_tiny_model(path), keep_content=True).content
    told = {"target": "tensorrt", "activations": activations, **facts}
    made_of = {} if weights_digest is None else {"weights_digest": weights_digest}
    path.write_bytes(sealed(content, tiny_spec(precision=precision, depth=depth, **made_of), quantization=told))
    return path
