"""A model that costs next to nothing, so that what is measured is what surrounds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.model.file import sealed
from pptsn.runtime.model.spec import ModelSpec

CLASSES, CROP_SIZE, SHORT_SIDE = 8, 32, 40
_OPSET = 17


def write_tiny_model(path: Path) -> Path:
    """Write a deployment graph whose logits are a linear map of the crop's mean colour, and return `path`.

    Needs the package `onnx`, which comes with the extras `convert`, `tensorrt` and `dev`.
    """
    from onnx import numpy_helper, parser

    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["" : {_OPSET}]>
        tiny (uint8[N, {CROP_SIZE}, {CROP_SIZE}, 3] crops) => (float[N, {CLASSES}] logits) {{
            values = Cast<to = 1>(crops)
            colour = ReduceMean<axes = [1, 2], keepdims = 0>(values)
            logits = MatMul(colour, weight)
        }}""")
    weight = np.random.default_rng(0).normal(scale=0.05, size=(3, CLASSES)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    spec = ModelSpec(
        depth=18,
        labels=tuple(f"class {i}" for i in range(CLASSES)),
        weights_digest="0" * 64,
        short_side=SHORT_SIDE,
        crop_size=CROP_SIZE,
    )
    with atomic_file(path) as temporary:
        temporary.write_bytes(sealed(model.SerializeToString(), spec))
    return path
