"""The model that the original's own `tools/predict.py` reads: a clip's frames and views in, its answer out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import VerificationError
from pptsn.runtime.base.files import atomic_folder, refuse_other_content
from pptsn.runtime.engines.paddle.predictor import CpuPredictor
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.export import TOLERANCE, checkpoint_of, network_of, spec_of
from pptsn.training.export_options import ExportOptions
from pptsn.training.network._paddle import paddle
from pptsn.training.network.graph import save_clip_graph
from pptsn.training.network.weights import Checkpoint

# What the original calls its exported model.
NAME = "ppTSN"
_PROGRAM, _PARAMETERS = f"{NAME}.pdmodel", f"{NAME}.pdiparams"


def export_clip_level(
    weights: str | Path | Checkpoint, output: str | Path, *, options: ExportOptions | None = None
) -> ModelSpec:
    """Write `ppTSN.pdmodel` and `ppTSN.pdiparams` into the folder `output`; return the spec of the checkpoint.

    The graph takes (N, T, 3, S, S) float32, the normalised crops of N clips (T is frames times views, in any
    order), and gives (N, classes) float32, logits: `predict.py` does the softmax.  N and T are free.
    weights, options and errors: as in `export_model`.
    """
    options, output = options or ExportOptions(), Path(output)
    refuse_other_content(output, {_PROGRAM, _PARAMETERS}, what="export")
    checkpoint = checkpoint_of(weights, options)
    spec = spec_of(checkpoint, options)
    model = network_of(checkpoint)
    with atomic_folder(output) as folder:
        save_clip_graph(model, folder / NAME, crop_size=spec.crop_size)
        _check(model, folder, spec)
    return spec


def _check(model: Any, folder: Path, spec: ModelSpec) -> None:
    """Run what was written by Paddle Inference, as `predict.py` does, and compare it with the network."""
    pixels = normalise(drawn_crops(6, spec.crop_size), mean=spec.mean, std=spec.std)
    clips = pixels.reshape(2, 3, *pixels.shape[1:])
    with paddle.no_grad():
        expected = model(paddle.to_tensor(clips)).numpy()
    written = CpuPredictor(paddle, folder / _PROGRAM, folder / _PARAMETERS).run(clips)
    difference = float(np.abs(written - expected).max())
    if not difference <= TOLERANCE:
        cause = f"the written graph differs from the network by {difference:.3g}, expected at most {TOLERANCE:g}"
        raise VerificationError("export", cause, "report it with the checkpoint's depth and Paddle's version")
