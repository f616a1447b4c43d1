"""Deployment graphs in each precision for tests of the lint and the builder, made in the plainest way."""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.graph.deployment import compose_deployment
from pptsn.convert.graph.files import write_model
from pptsn.convert.graph.network import Network
from pptsn.convert.int8.placement import make_plan
from pptsn.convert.int8.qdq import quantize
from pptsn.convert.int8.scales import symmetric_scale
from pptsn.runtime.model.spec import ModelSpec
from tests.models import tiny_spec


def in_fp16(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return `network` (FP32) computing in FP16, with FP32 input and output."""
    return to_fp16(as_network(network)).model


def as_network(model: onnx.ModelProto) -> Network:
    """Return `model` as a network of whatever spec: these helpers have the spec apart."""
    return Network(model, tiny_spec(), source="test")


def to_int8(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return `network` (FP32) with Q/DQ on the input and weights of every convolution; scales are guesses."""
    network = deepcopy(network)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    nodes = list(network.graph.node)
    del network.graph.node[:]
    for node in nodes:
        if node.op_type == "Conv":
            _quantize(network.graph, node, values[node.input[1]])
        network.graph.node.append(node)
    return network


def _quantize(graph: onnx.GraphProto, conv: onnx.NodeProto, weights: np.ndarray) -> None:
    name = conv.name or conv.output[0]
    scale = (np.abs(weights).max(axis=(1, 2, 3)) / 127 + 1e-6).astype(np.float32)
    constants = {
        "scale": np.float32(0.05),
        "zero": np.int8(0),
        "w_int8": np.rint(weights / scale.reshape(-1, 1, 1, 1)).astype(np.int8),
        "w_scale": scale,
        "w_zero": np.zeros(len(scale), np.int8),
    }
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(v), f"{name}/{key}") for key, v in constants.items()
    )
    activation = [f"{name}/scale", f"{name}/zero"]
    weight = [f"{name}/{key}" for key in ("w_int8", "w_scale", "w_zero")]
    graph.node.extend(
        [
            helper.make_node("QuantizeLinear", [conv.input[0], *activation], [f"{name}/q_out"], f"{name}/q"),
            helper.make_node("DequantizeLinear", [f"{name}/q_out", *activation], [f"{name}/dq_out"], f"{name}/dq"),
            helper.make_node("DequantizeLinear", weight, [f"{name}/w_out"], f"{name}/w_dq", axis=0),
        ]
    )
    conv.input[0], conv.input[1] = f"{name}/dq_out", f"{name}/w_out"


VARIANTS = {
    "fp32": deepcopy,
    "fp16": in_fp16,
    "int8": to_int8,
    "int8+fp16": lambda network: in_fp16(to_int8(network)),
}


def residual_int8(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return `network` (FP32) as `pptsn convert int8 --target tensorrt` writes it, with guessed scales."""
    plan = make_plan(as_network(network), "residual")
    return in_fp16(quantize(as_network(network), plan, dict.fromkeys(plan.tensors, symmetric_scale(6.35))).model)


def deployment(network: onnx.ModelProto, spec: ModelSpec, variant: str) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return the deployment graph of `network` in one of VARIANTS, and its spec."""
    spec = dataclasses.replace(spec, precision=variant.split("+")[0])
    return compose_deployment(VARIANTS[variant](network), spec, mirror=True)


def write_variant(network: onnx.ModelProto, spec: ModelSpec, variant: str, path: Path) -> Path:
    """Write the deployment graph of `network` in one of VARIANTS to `path` and return it."""
    graph, spec = deployment(network, spec, variant)
    quantization = {"calibration_digest": "c" * 64} if variant.startswith("int8") else None
    write_model(graph, spec, path, quantization=quantization)
    return path
