"""What a network that computes in FP16 answers, on a machine that cannot compute in FP16.

ONNX Runtime's CPU kernels compute an FP16 graph in FP32, from one end to the other: weights are rounded, results
inside are not, save for the pooled vector, which the graph gives, and nothing before it overflows.  A GPU rounds
each result to FP16, so here each is cast there and back.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession
from pptsn.convert.graph.view import replace_nodes
from pptsn.convert.verify.logits import infer_in_batches
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.temporary import temporary_folder
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.onnxruntime.engine import OnnxRuntimeEngine
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.runtime.model.file import ModelFile

_FP16_MAX = float(np.finfo(np.float16).max)


def fp16_logits(half: Network, crops: Frame, *, origin: Network) -> Logits:
    """Return the logits (N, C) of `crops` (N, S, S, 3) uint8 by the network `half`, each result rounded to FP16.

    half: what `to_fp16` made of `origin`, quantized or not.
    Raises ModelError, naming the source and the first tensor of `origin` at fault, where a result overflows.
    """
    with temporary_folder() as folder:
        path = folder / "rounded.onnx"
        with_rounded_results(half).write(path)
        with OnnxRuntimeEngine(ModelFile.open(path), optimise=False) as engine:
            logits = infer_in_batches(engine, crops)
    if not np.isfinite(logits).all():
        raise ModelError(origin.source, _overflow(origin, crops), "deploy it in FP32, or train it anew")
    return logits


def with_rounded_results(half: Network) -> Network:
    """Return a network in FP32 whose every tensor goes through FP16; `half` is what `to_fp16` gave.

    Values beyond FP16 become infinite, as they do there.  Sums inside one operator stay in FP32, which is how GPUs
    accumulate.
    """
    rounded = half.copy_model()
    graph = rounded.graph
    for initializer in graph.initializer:
        if initializer.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(initializer).astype("float32")
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    nodes = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":  # gives integers
            nodes.append(node)
        else:
            nodes += _rounded(node)
    replace_nodes(graph, nodes)
    return half.remade(rounded)


def _rounded(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return `node` with its result cast to FP16 and back; of a Cast, the two casts alone."""
    result = node.output[0]
    exact = node.input[0] if node.op_type == "Cast" else f"{result}_exact"
    casts = [
        helper.make_node("Cast", [exact], [f"{result}_half"], name=f"{node.name}/half", to=TensorProto.FLOAT16),
        helper.make_node("Cast", [f"{result}_half"], [result], name=f"{node.name}/float", to=TensorProto.FLOAT),
    ]
    if node.op_type == "Cast":
        return casts
    node.output[0] = exact
    return [node, *casts]


def _overflow(network: Network, crops: Frame) -> str:
    """Say which tensor of the FP32 `network` goes beyond FP16 first, and how far."""
    tensors = list(network.producers)
    largest = dict.fromkeys(tensors, 0.0)
    views = normalise(crops, mean=network.spec.mean, std=network.spec.std)
    for values in NetworkSession(network, tensors=tensors).watch(views):
        for name in tensors:
            largest[name] = max(largest[name], float(np.abs(values[name]).max()))
    for name in tensors:
        if not largest[name] <= _FP16_MAX:
            return f"{name!r} reaches {largest[name]:g} on real frames, FP16 ends at {_FP16_MAX:g}"
    return "its FP16 logits are not finite"
