"""A residual network of two blocks, small enough to follow by hand, with all that quantization tells apart."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, parser

from pptsn.convert.graph.classifier import expose_features
from pptsn.convert.graph.from_paddle import OPSET
from pptsn.convert.graph.network import Network
from pptsn.runtime.model.spec import ModelSpec
from tests.models import tiny_spec

SIZE, CLASSES, FEATURES = 16, 4, 16
CONVOLUTIONS = ("stem", "main1", "main2", "short", "same1", "same2")

# The names of all nodes, in order.
NODES = (
    "stem", "r0", "pool", "main1", "r1", "main2", "average", "short", "add1", "r2",
    "same1", "r3", "same2", "add2", "r4", "gap", "flat", "fc", "fc_bias",
)  # fmt: skip


def residual_spec(**changes: object) -> ModelSpec:
    """Return the spec of the residual network: crops of 16 px from frames of 20 px, mirrored in the graph."""
    values = {"crop_size": SIZE, "short_side": 20, "mirror": True, "features": FEATURES}
    return tiny_spec(**(values | changes))


def residual_network(model: onnx.ModelProto | None = None, *, seed: int = 0) -> Network:
    """Return the network of `model`, a changed `residual_model`, or of one as it is."""
    return Network(model or residual_model(seed), residual_spec(), source="m.onnx")


def residual_model(seed: int = 0) -> onnx.ModelProto:
    """Return views (B, 3, 16, 16) -> (B, 4), (B, 16): stem, a block that halves the size, another, classifier."""
    model = parser.parse_model(f"""<ir_version: 9, opset_import: ["" : {OPSET}]>
        small (float[B, 3, {SIZE}, {SIZE}] views) => (float[B, {CLASSES}] view_logits) {{
            s0 = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(views, stem_w, stem_b)
            s = Relu(s0)
            x = MaxPool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(s)
            a0 = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2]>(x, main1_w, main1_b)
            a1 = Relu(a0)
            a2 = Conv<kernel_shape = [1, 1]>(a1, main2_w, main2_b)
            p = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(x)
            b = Conv<kernel_shape = [1, 1]>(p, short_w, short_b)
            c0 = Add(a2, b)
            c = Relu(c0)
            d0 = Conv<kernel_shape = [1, 1]>(c, same1_w, same1_b)
            d1 = Relu(d0)
            d2 = Conv<kernel_shape = [1, 1]>(d1, same2_w, same2_b)
            e0 = Add(c, d2)
            e = Relu(e0)
            f0 = GlobalAveragePool(e)
            f = Flatten<axis = 1>(f0)
            g = MatMul(f, fc_w)
            view_logits = Add(g, fc_b)
        }}""")
    for node, name in zip(model.graph.node, NODES, strict=True):
        node.name = name
    rng = np.random.default_rng(seed)
    shapes = {
        "stem": (8, 3, 3, 3), "main1": (8, 8, 3, 3), "main2": (16, 8, 1, 1), "short": (16, 8, 1, 1),
        "same1": (8, 16, 1, 1), "same2": (16, 8, 1, 1),
    }  # fmt: skip
    for name, shape in shapes.items():
        weights = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        _add(model, f"{name}_w", weights)
        _add(model, f"{name}_b", rng.normal(0, 0.1, shape[0]))
    _add(model, "fc_w", rng.normal(0, 1, (FEATURES, CLASSES)))
    _add(model, "fc_b", rng.normal(0, 1, CLASSES))
    expose_features(model)
    return model


def _add(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))


def views(count: int, seed: int = 0) -> np.ndarray:
    """Return (count, 3, 16, 16) float32 of standard deviation 1."""
    return np.random.default_rng(seed).normal(0, 1, (count, 3, SIZE, SIZE)).astype(np.float32)
