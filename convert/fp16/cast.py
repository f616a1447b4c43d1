"""The per-view network in FP16: every weight and every tensor inside, FP32 at its two ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pptsn.convert.graph.network import Network
from pptsn.convert.graph.view import replace_nodes
from pptsn.runtime.base.errors import ModelError

_FP16_MAX = float(np.finfo(np.float16).max)


def to_fp16(network: Network) -> Network:
    """Return `network`, FP32 or with Q/DQ, as one that computes in FP16 between two Casts.

    FP32 constants become FP16, the scales of Q/DQ among them; integers stay.  Values below FP16's smallest become
    the nearest that it has, 0 included, but a scale of 0 is an error.
    Raises ModelError, naming the network's source and the tensor, for a constant that FP16 cannot hold.
    """
    half = network.copy_model()
    scales = {node.input[1] for node in network.of_kind("QuantizeLinear", "DequantizeLinear")}
    for initializer in half.graph.initializer:
        if initializer.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(initializer)
            converted = _half(values, initializer.name, network.source, is_scale=initializer.name in scales)
            initializer.CopyFrom(numpy_helper.from_array(converted, initializer.name))
    _cast_ends(half.graph)
    return network.remade(half, precision="fp16" if network.spec.precision == "fp32" else None)


def _half(
    values: npt.NDArray[np.float32], name: str, source: object, *, is_scale: bool
) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        converted = values.astype(np.float16)
    if not np.isfinite(converted).all():
        largest = float(np.abs(values).max())
        raise ModelError(
            source,
            f"{name!r} holds {largest:g}, FP16 ends at {_FP16_MAX:g}",
            "train with more weight decay, or deploy the FP32 model",
        )
    if is_scale and not (converted > 0).all():
        raise ModelError(
            source, f"the scale {name!r} is too small for FP16", "leave its layer out by --skip-layers"
        )
    return converted


def _cast_ends(graph: onnx.GraphProto) -> None:
    """Read the network's input through a Cast to FP16, and give each output through one to FP32."""
    (source,) = graph.input
    results = [result.name for result in graph.output]
    for node in graph.node:
        node.input[:] = [f"{name}_fp16" if name in (source.name, *results) else name for name in node.input]
        node.output[:] = [f"{name}_fp16" if name in results else name for name in node.output]
    first = helper.make_node(
        "Cast", [source.name], [f"{source.name}_fp16"], name="Cast:fp16", to=TensorProto.FLOAT16
    )
    last = [
        helper.make_node("Cast", [f"{name}_fp16"], [name], name=f"Cast:{name}", to=TensorProto.FLOAT)
        for name in results
    ]
    replace_nodes(graph, [first, *graph.node, *last])
