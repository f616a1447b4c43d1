"""The classifier at a network's end: logits = features · weights + bias, of the pooled vector of a view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pptsn.convert.graph.view import GraphView, attribute
from pptsn.runtime.engines.base import Features, Logits


@dataclass(frozen=True)
class Classifier:
    """features: the tensor (B, D) that is classified.  weights: (D, C).  bias: (C,), or 0."""

    features: str
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def logits(self, features: Features) -> Logits:
        """Return the logits (N, C) float32 of `features` (N, D)."""
        logits: Logits = (features @ self.weights + self.bias).astype(np.float32)
        return logits


def find_classifier(network: GraphView) -> Classifier | None:
    """Return what makes the first output of `network`; None where that is no constant matrix and bias."""
    node = network.producers.get(network.graph.output[0].name)
    if node is None:
        return None
    if node.op_type == "Gemm":
        return _of_gemm(network, node)
    bias: npt.NDArray[np.float32] | None = np.zeros(1, np.float32)
    if node.op_type == "Add":
        added = [network.value(name) for name in node.input]
        bias = added[1] if added[0] is None else added[0]
        node = network.producers.get(node.input[0 if added[0] is None else 1])
    if node is None or node.op_type != "MatMul" or bias is None:
        return None
    weights = network.value(node.input[1])
    return None if weights is None or weights.ndim != 2 else Classifier(str(node.input[0]), weights, bias)


def _of_gemm(network: GraphView, node: onnx.NodeProto) -> Classifier | None:
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
    weights = network.value(node.input[1])
    bias = network.value(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)
    if weights is None or bias is None or any(attribute(node, name, one) != one for name, one in plain.items()):
        return None
    return Classifier(str(node.input[0]), weights.T if attribute(node, "transB", 0) else weights, bias)


def expose_features(network: onnx.ModelProto) -> Classifier | None:
    """Let `network`, which gives logits alone, give what its classifier reads too; return that, if there is one.

    (B, 3, S, S) -> (B, C) becomes (B, 3, S, S) -> (B, C), (B, D).
    """
    classifier = find_classifier(GraphView(network))
    if classifier is not None:
        shape = ("B", len(classifier.weights))
        network.graph.output.append(helper.make_tensor_value_info(classifier.features, TensorProto.FLOAT, shape))
    return classifier
