"""From a checkpoint to an export folder: the per-view network, its spec, and crops with Paddle's logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import ModelError, UsageError, VerificationError
from pptsn.runtime.base.files import atomic_folder, refuse_other_content
from pptsn.runtime.decoding.clips import ClipFrame, Source, clip_frames
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame, cut_crop, normalise
from pptsn.runtime.frames.views import crop_views
from pptsn.runtime.model.export_folder import (
    DIGESTS_NAME,
    PARAMETERS_NAME,
    PROGRAM_NAMES,
    REFERENCE_NAME,
    SPEC_NAME,
    write_digests,
)
from pptsn.runtime.model.labels import kinetics400, read_labels
from pptsn.runtime.model.spec import RESNET_VD, ModelSpec
from pptsn.training.export_options import ExportOptions
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.graph import Logits, eager_view_function, save_graph
from pptsn.training.network.starting import sidecar_of, spec_beside
from pptsn.training.network.weights import (
    Checkpoint,
    apply_checkpoint,
    read_checkpoint,
    require_full,
    state_of,
    weights_digest,
)

MODEL_NAME = "model"
# What a checkpoint that was never a file is called in messages.
_UNTRAINED = "untrained weights"
# The options that are fields of a spec.
_OF_SPEC = (
    "short_side", "crop_size", "resize_rule", "num_seg", "segments", "views", "sampling",
    "stream_window_s", "stream_segments", "stream_views",
)  # fmt: skip
_CONTENTS = {*PROGRAM_NAMES, PARAMETERS_NAME, SPEC_NAME, REFERENCE_NAME, DIGESTS_NAME}
REFERENCE_CROPS = 6
MOST_CLIPS = 10
# What Paddle's own graph may differ from Paddle's layers by: the same kernels in another order.
TOLERANCE = 1e-3


def export_model(
    weights: str | Path | Checkpoint,
    output: str | Path,
    *,
    options: ExportOptions | None = None,
    clips: Sequence[Source] = (),
) -> ModelSpec:
    """Write the export folder `output` from the checkpoint `weights`, and return its spec.

    The folder holds `model.json` and `model.pdiparams` (`(N, 3, S, S) float32 → (N, C)`, N dynamic),
    `spec.json`, and `reference.npz`: `crops` (N, S, S, 3) uint8 RGB, and Paddle's `logits` for them and
    `mirrored_logits` for their mirror images, (N, C) float32: drawn ones, and one frame of each of the first
    `clips`, so that later steps are proven on real frames too.
    weights: a `.pdparams` file, or a checkpoint that is no file.
    A spec `NAME.spec.json` beside `NAME.pdparams` supplies labels and sizes, else the published values hold.
    Raises InputError or ModelError for unusable weights, UsageError for a folder that is no export or missing
    labels, VerificationError where the written graph disagrees with the network.
    """
    options = options or ExportOptions()
    output = Path(output)
    refuse_other_content(output, _CONTENTS, what="export")
    checkpoint = checkpoint_of(weights, options)
    spec = spec_of(checkpoint, options)
    model = network_of(checkpoint)
    crops = drawn_crops(REFERENCE_CROPS, spec.crop_size)
    if clips:
        crops = np.concatenate([crops, real_crops(clips[:MOST_CLIPS], spec)])
    pixels = normalise(crops, mean=spec.mean, std=spec.std)
    infer = eager_view_function(model)
    logits, mirrored_logits = infer(pixels), infer(np.ascontiguousarray(pixels[..., ::-1]))
    with atomic_folder(output) as folder:
        save_graph(model, folder / MODEL_NAME, crop_size=spec.crop_size)
        _check_graph(folder / MODEL_NAME, pixels, logits)
        write_digests(folder)
        (folder / SPEC_NAME).write_text(spec.to_json(), encoding="utf-8")
        np.savez(folder / REFERENCE_NAME, crops=crops, logits=logits, mirrored_logits=mirrored_logits)
    return spec


def checkpoint_of(weights: str | Path | Checkpoint, options: ExportOptions) -> Checkpoint:
    """Return the full checkpoint that `weights` are or name; raises InputError or ModelError for unusable ones."""
    if isinstance(weights, Checkpoint):
        return require_full(weights)
    return require_full(read_checkpoint(weights, depth=options.depth, classes=options.classes))


def untrained_checkpoint(depth: int, classes: int, *, seed: int, architecture: str = RESNET_VD) -> Checkpoint:
    """Return a full checkpoint with the weights that training begins with, drawn from `seed`.

    Its class names are such that nobody takes one for an answer: an untrained model knows no action.
    Raises UsageError for a depth that there is not.
    """
    paddle.seed(seed)
    arrays = state_of(build_network(architecture, depth=depth, classes=classes))
    labels = tuple(f"untrained class {number}" for number in range(classes))
    return Checkpoint(
        path=Path(_UNTRAINED),
        kind="full",
        architecture=architecture,
        depth=depth,
        classes=classes,
        arrays=arrays,
        labels=labels,
    )


def real_crops(clips: Sequence[Source], spec: ModelSpec) -> Frame:
    """Return the centre crop of the middle frame of each of `clips`, (len(clips), S, S, 3) uint8 RGB.

    Raises the InputError of a clip that cannot be read.
    """
    crops = np.empty((len(clips), spec.crop_size, spec.crop_size, 3), np.uint8)
    for item in clip_frames(clips, spec, segments=1, rule="centre"):
        if isinstance(item, ClipFrame):
            height, width = item.pixels.shape[:2]
            (view,) = crop_views("center", width, height, size=spec.crop_size, mirror_in_graph=True)
            cut_crop(item.pixels, view, out=crops[item.clip])
        elif item.error is not None:
            raise item.error
    return crops


def spec_of(checkpoint: Checkpoint, options: ExportOptions) -> ModelSpec:
    """Return the spec of `checkpoint`: from the file beside it where there is one, with `options` on top."""
    beside = None if checkpoint.labels else spec_beside(checkpoint)
    if beside is not None:
        spec = beside
    else:
        labels = () if options.labels else checkpoint.labels or _published_labels(checkpoint)
        spec = ModelSpec(
            architecture=checkpoint.architecture,
            depth=checkpoint.depth,
            labels=labels or ("",),
            weights_digest=weights_digest(checkpoint.arrays),
        )
    changes: dict[str, Any] = {name: value for name in _OF_SPEC if (value := getattr(options, name)) is not None}
    if options.labels is not None:
        changes["labels"] = read_labels(options.labels)
    try:
        spec = dataclasses.replace(spec, **changes)
    except ModelError as error:  # each option alone is in range, so they do not fit the others
        of_streams = error.cause.startswith("stream_")
        pair = "--stream-window or --stream-segments" if of_streams else "--crop-size or --short-side"
        raise UsageError("export", error.cause, f"choose another {pair}") from error
    if spec.classes != checkpoint.classes:
        cause = f"are {spec.classes}, but {checkpoint.path.name} has {checkpoint.classes} classes"
        source = options.labels or sidecar_of(checkpoint.path)
        raise ModelError(source, f"its labels {cause}", "pass the labels of its training set")
    return spec


def _published_labels(checkpoint: Checkpoint) -> tuple[str, ...]:
    labels = kinetics400()
    if checkpoint.classes != len(labels):
        cause = f"has {checkpoint.classes} classes whose names are not known (400 would be Kinetics-400)"
        raise UsageError(checkpoint.path, cause, "pass --labels FILE, one name a line in class order")
    return labels


def network_of(checkpoint: Checkpoint) -> Any:
    """Return the network of `checkpoint`."""
    model = build_network(checkpoint.architecture, depth=checkpoint.depth, classes=checkpoint.classes or 0)
    apply_checkpoint(model, checkpoint)
    return model


def _check_graph(prefix: Path, pixels: npt.NDArray[np.float32], logits: Logits) -> None:
    """Read the written graph back and compare its logits with those of the network."""
    graph = paddle.jit.load(str(prefix))
    graph.eval()
    with paddle.no_grad():
        written = graph(paddle.to_tensor(pixels)).numpy()
    difference = float(np.abs(written - logits).max())
    if not difference <= TOLERANCE:
        cause = f"the written graph differs from the network by {difference:.3g}, expected at most {TOLERANCE:g}"
        raise VerificationError("export", cause, "report it with the checkpoint's depth and Paddle's version")
