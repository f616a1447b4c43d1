"""The network that soft labels come from: a checkpoint of any depth, or a converted model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.paddle.library import cpu_threads
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.checkpoint_engine import CheckpointEngine
from pptsn.training.data.dataset import Crops
from pptsn.training.data.inputs import are_names, model_spec
from pptsn.training.downloads.store import found_weights
from pptsn.training.network.starting import spec_beside
from pptsn.training.network.weights import read_checkpoint, require_full, weights_digest
from pptsn.training.recipe import Recipe

Logits: TypeAlias = npt.NDArray[np.float32]

_TRIED_CROPS = 4
# Scores add up to 1 within this much, in 16 bits too.
_SUM_TOLERANCE = 1e-2


class Teacher(Closing):
    """A network that answers the clips of a batch, in inference mode and FP32 or as it was converted.

    path: of its file.  engine: what runs it.  digest: SHA-256 of the file, in hexadecimal.
    Raises ModelError where it gives anything but finite logits.
    """

    def __init__(self, path: Path, engine: Engine, *, digest: str) -> None:
        self.path, self.engine, self.digest = path, engine, digest
        self._try()

    def logits(self, crops: Crops) -> Logits:
        """Return the logits (B, C) of clips (B, T, S, S, 3) uint8 RGB, the means over their T frames.

        They may be no finite numbers.
        """
        clips, frames = crops.shape[:2]
        each = crops.reshape(clips * frames, *crops.shape[2:])
        size = self.engine.batch_size
        rows = [self.engine.infer(each[start : start + size]) for start in range(0, len(each), size)]
        return np.asarray(np.concatenate(rows).reshape(clips, frames, -1).mean(axis=1), np.float32)

    def lines(self, recipe: Recipe) -> Iterator[str]:
        """Yield what a user should know of it in a training by `recipe`."""
        spec, model, options = self.engine.spec, recipe.model, recipe.distillation
        yield (
            f"distillation: the teacher is {self.path} (depth {spec.depth}, {spec.precision}, "
            f"by {self.engine.description}); {options.line}"
        )
        yield from (f"{self.path}: {note}" for note in self.engine.notes)
        for name, of_teacher, here in (
            ("segments", spec.num_seg, model.num_seg),
            ("pixels of the short side", spec.short_side, model.short_side),
        ):
            if of_teacher != here:
                yield f"{self.path}: was trained with {of_teacher} {name}, and sees clips with {here} here"

    def close(self) -> None:
        """Release the network."""
        self.engine.close()

    def _try(self) -> None:
        logits = self.engine.infer(drawn_crops(_TRIED_CROPS, self.engine.spec.crop_size))
        if not np.isfinite(logits).all():
            raise ModelError(self.path, "gives logits that are no finite numbers", "choose another teacher")
        if (logits >= 0).all() and np.allclose(logits.sum(axis=1), 1, atol=_SUM_TOLERANCE):
            cause = "gives scores that add up to 1, expected logits: the loss has its own softmax"
            raise ModelError(self.path, cause, "convert the model without a softmax at its end")


def open_teacher(recipe: Recipe, labels: tuple[str, ...], *, device: str) -> Teacher | None:
    """Open the teacher of a training by `recipe`; None where that has none.

    labels: the classes that are learned.  device: for a converted model; a checkpoint is run where Paddle runs.
    Raises InputError or ModelError for a file that is missing, damaged, of other classes or of another size of
    crops, and for a network that gives anything but finite logits.
    """
    if recipe.distillation.teacher is None:
        return None
    path = found_weights(recipe.distillation.teacher)
    engine = _open(path, recipe, labels, device)
    try:
        _require_fitting(path, engine.spec, recipe, labels)
        return Teacher(path, engine, digest=sha256_of(path))
    except BaseException:
        engine.close()
        raise


def _open(path: Path, recipe: Recipe, labels: tuple[str, ...], device: str) -> Engine:
    if path.suffix.lower() == ".onnx":
        return open_engine(path, device=device, threads=cpu_threads())
    checkpoint = require_full(read_checkpoint(path))
    spec = spec_beside(checkpoint)
    if spec is None:
        _require_classes(path, checkpoint.classes or 0, len(labels))
        digest = weights_digest(checkpoint.arrays)
        own = model_spec(recipe, labels=labels, weights_digest=digest)
        spec = dataclasses.replace(own, architecture=checkpoint.architecture, depth=checkpoint.depth)
    return CheckpointEngine(checkpoint, spec, batch_size=recipe.evaluation.batch_crops)


def _require_fitting(path: Path, spec: ModelSpec, recipe: Recipe, labels: tuple[str, ...]) -> None:
    _require_classes(path, spec.classes, len(labels))
    if are_names(spec.labels) and are_names(labels) and spec.labels != labels:
        pairs = enumerate(zip(spec.labels, labels, strict=True))
        number, own, other = next((number, *pair) for number, pair in pairs if pair[0] != pair[1])
        cause = f"has other classes: its class {number} is {own}, that of the recipe {other}"
        raise ModelError(path, cause, "choose a teacher of the same classes in the same order")
    if spec.crop_size != recipe.model.crop_size:
        cause = f"sees crops of {spec.crop_size} pixels, and model.crop_size is {recipe.model.crop_size}"
        raise ModelError(path, cause, "make them the same, or choose another teacher")


def _require_classes(path: Path, classes: int, expected: int) -> None:
    if classes != expected:
        cause = f"has {classes} classes, and {expected} are to be learned"
        raise ModelError(path, cause, "choose a teacher of the same classes")
