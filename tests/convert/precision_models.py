"""Files for tests of precisions: the residual network as an FP32 deployment model, clips to calibrate on."""

from __future__ import annotations

from pathlib import Path

from onnx import numpy_helper

from pptsn.convert.frames import calibration_sources, read_frames
from pptsn.convert.graph.network import Network
from pptsn.convert.graph.session import NetworkSession
from pptsn.runtime.frames.preprocess import normalise
from tests.clips import write_clip
from tests.convert.residual_network import residual_network, residual_spec


def write_residual_model(path: Path, network: Network | None = None, **changes: object) -> Path:
    """Write `network`, or the residual network, as an FP32 deployment model to `path` and return it."""
    network = network or residual_network()
    Network(network.model, residual_spec(**changes), source=path).write(path)
    return path


def write_clips(folder: Path, count: int = 8, frames: int = 12) -> Path:
    """Write `count` clips of `frames` frames into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_clip(folder / f"{number}.mp4", frames=frames)
    return folder


def balanced_network(clips: Path) -> Network:
    """Return the residual network with a bias such that the frames of `clips` get different answers."""
    network = residual_network()
    spec = network.spec
    crops = read_frames(calibration_sources(str(clips)), spec, frames=48).calibration
    logits = NetworkSession(network).logits(normalise(crops, mean=spec.mean, std=spec.std))
    model = network.copy_model()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc_b")
    balanced = numpy_helper.to_array(bias) - logits.mean(axis=0)
    bias.CopyFrom(numpy_helper.from_array(balanced, bias.name))
    return network.remade(model)
