"""Small models in every precision, each with the reference by which a build of it is proven."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pptsn.convert.fp16.cast import to_fp16
from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession
from pptsn.convert.int8.placement import make_plan
from pptsn.convert.int8.qdq import quantize
from pptsn.convert.int8.scales import asymmetric_scale, symmetric_scale
from pptsn.convert.verify.carrying import carry, carry_on, telling_reference
from pptsn.convert.verify.reference import StoredReference
from pptsn.runtime.engines import open_engine
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import normalise
from tests.convert.residual_network import residual_model, residual_spec

PRECISIONS = ("fp32", "fp16", "int8-tensorrt", "int8-cpu")


def stored_reference(network: Network) -> StoredReference:
    """Return what an export of `network` would store, by ONNX Runtime and NumPy in the place of Paddle."""
    size, spec = network.spec.crop_size, network.spec
    crops = drawn_crops(6, size)
    pixels = normalise(crops, mean=spec.mean, std=spec.std)
    logits = NetworkSession(network).logits
    return StoredReference(crops, logits(pixels), logits(np.ascontiguousarray(pixels[..., ::-1])))


def write_proven(folder: Path, precision: str, *, mirror: bool = True, seed: int = 0) -> Path:
    """Write the residual network in `precision`, one of PRECISIONS, with its reference; return the file's path."""
    network = Network(residual_model(seed), residual_spec(mirror=mirror), source="test")
    origin, path = folder / "m.onnx", folder / f"m.{precision}.onnx"
    network.write(origin)
    with open_engine(origin, device="cpu") as engine:
        reference = telling_reference(engine, stored_reference(network))
    carry(origin, reference)
    if precision == "fp32":
        return origin
    if precision == "fp16":
        to_fp16(network).write(path)
    else:
        target = precision.removeprefix("int8-")
        _quantized(network, target).write(path, quantization={"target": target})
    carry_on(origin, path, name=path)
    return path


def _quantized(network: Network, target: str) -> Network:
    """Return `network` in INT8, coarse enough for its noise to hide a little wrong mean."""
    plan = make_plan(network, "residual" if target == "tensorrt" else "everything")
    if target == "tensorrt":
        return to_fp16(quantize(network, plan, dict.fromkeys(plan.tensors, symmetric_scale(8.0))))
    return quantize(network, plan, dict.fromkeys(plan.tensors, asymmetric_scale(-8.0, 8.0)))
