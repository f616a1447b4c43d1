"""Files for tests of precisions: the residual network as an FP32 deployment model, clips to calibrate on."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import numpy_helper

from pptsn.convert.frames import calibration_sources, read_frames
from pptsn.convert.graph.model_file import write_model
from pptsn.convert.graph.network import recompose
from pptsn.convert.graph.network_session import NetworkSession
from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.spec import ModelSpec
from tests.clips import write_clip
from tests.convert.residual_network import SIZE, residual_network
from tests.models import tiny_spec


def residual_spec(**changes: object) -> ModelSpec:
    """Return the spec of the residual network: crops of 16 px from frames of 20 px, mirrored in the graph."""
    return tiny_spec(**({"crop_size": SIZE, "short_side": 20, "mirror": True} | changes))


def write_residual_model(path: Path, network: onnx.ModelProto | None = None, **changes: object) -> Path:
    """Write `network`, or the residual network, as an FP32 deployment model to `path` and return it."""
    spec = residual_spec(**changes)
    write_model(recompose(network or residual_network(), spec), spec, path)
    return path


def write_clips(folder: Path, count: int = 8, frames: int = 12) -> Path:
    """Write `count` clips of `frames` frames into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_clip(folder / f"{number}.mp4", frames=frames)
    return folder


def balanced_network(clips: Path) -> onnx.ModelProto:
    """Return the residual network with a bias such that the frames of `clips` get different answers."""
    network, spec = residual_network(), residual_spec()
    crops = read_frames(calibration_sources(str(clips)), spec, frames=48).calibration
    logits = NetworkSession(network).logits(normalise(crops, mean=spec.mean, std=spec.std))
    bias = next(tensor for tensor in network.graph.initializer if tensor.name == "fc_b")
    balanced = numpy_helper.to_array(bias) - logits.mean(axis=0)
    bias.CopyFrom(numpy_helper.from_array(balanced, bias.name))
    return network
