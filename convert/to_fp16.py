"""From an FP32 deployment graph to a verified FP16 one."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from convert.agreement import agreement
from convert.fp16 import to_fp16
from convert.fp16_arithmetic import with_rounded_results
from convert.frames import read_frames
from convert.model_file import check_output, write_model
from convert.network import load_network, recompose
from convert.network_session import NetworkSession
from convert.verify import Report, report_path
from convert.verify_limits import FP16_ERROR, Limits
from convert.verify_logits import infer_in_batches
from runtime.clips import Source
from runtime.engines import open_engine
from runtime.engines.base import Logits
from runtime.engines.onnxruntime_engine import OnnxRuntimeEngine
from runtime.errors import ModelError
from runtime.files import atomic_file
from runtime.pictures import drawn_crops
from runtime.preprocess import Frame, normalise
from runtime.spec import ModelSpec

_FRAMES = 48
_PICTURES = 16


def convert_to_fp16(
    model: str | Path, output: str | Path, *, clips: Sequence[Source] = (), tolerance: float = FP16_ERROR
) -> Report:
    """Write the FP16 form of the FP32 deployment graph `model` to `output`, with its report; return the report.

    clips: real videos, on frames of which both models are compared; without any, drawn pictures serve.
    tolerance: the largest normalised logit error (see `agreement.normalised_errors`) of a frame that passes.
    The figures are those of FP16 arithmetic, with every result rounded (see `fp16_arithmetic`).
    Nothing is written where the model is not FP32 or damaged or FP16 cannot hold its values (ModelError, which
    names the tensor), or the answers differ by more (VerificationError).
    """
    model, output = Path(model), Path(output)
    check_output(output, model)
    network, spec = load_network(model)
    crops = _crops(clips, spec)
    half = to_fp16(network, source=model)
    spec = dataclasses.replace(spec, precision="fp16")
    with atomic_file(output) as temporary:
        write_model(recompose(half, spec), spec, temporary)
        with open_engine(model, device="cpu") as before, open_engine(temporary, device="cpu") as after:
            expected, written = infer_in_batches(before, crops), infer_in_batches(after, crops)
        computed = rounded_logits(half, spec, crops)
        if not np.isfinite(computed).all():
            raise ModelError(model, _overflow(network, crops, spec), "deploy it in FP32, or train it anew")
        limits = Limits(error_worst=tolerance)
        Report(str(output), str(model), limits, agreement(written, expected)).require_passed()
        report = Report(str(output), str(model), limits, agreement(computed, expected))
        report.require_passed()
    report.write(report_path(output))
    return report


def rounded_logits(half: onnx.ModelProto, spec: ModelSpec, crops: Frame) -> Logits:
    """Return the logits (N, C) of `crops` (N, S, S, 3) uint8 by the network `half` with FP16 arithmetic."""
    graph = recompose(with_rounded_results(half), spec)
    with tempfile.TemporaryDirectory(prefix="pptsn-") as folder:
        path = Path(folder) / "rounded.onnx"
        write_model(graph, spec, path)
        with OnnxRuntimeEngine(path, optimise=False) as engine:
            return infer_in_batches(engine, crops)


def _crops(clips: Sequence[Source], spec: ModelSpec) -> Frame:
    if not clips:
        return drawn_crops(_PICTURES, spec.crop_size)
    return read_frames(clips, spec, frames=_FRAMES).calibration


def _overflow(network: onnx.ModelProto, crops: Frame, spec: ModelSpec) -> str:
    """Say which tensor of the FP32 `network` goes beyond FP16 first, and how far."""
    limit = float(np.finfo(np.float16).max)
    tensors = [name for node in network.graph.node for name in node.output]
    largest = dict.fromkeys(tensors, 0.0)
    views = normalise(crops, mean=spec.mean, std=spec.std)
    for values in NetworkSession(network, tensors=tensors).watch(views):
        for name, value in values.items():
            largest[name] = max(largest[name], float(np.abs(value).max()))
    for name in tensors:
        if not largest[name] <= limit:
            return f"{name!r} reaches {largest[name]:g} on real frames, FP16 ends at {limit:g}"
    return "its FP16 logits are not finite"
