"""A checkpoint run by Paddle, behind the interface that the runtime's engines have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pptsn.runtime.engines import Engine, EngineIdentity
from pptsn.runtime.engines.base import Rows
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.data.inputs import labels_of, model_spec
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.graph import Logits, ViewFunction, view_function
from pptsn.training.network.weights import (
    Checkpoint,
    apply_checkpoint,
    read_checkpoint,
    require_full,
    weights_digest,
)
from pptsn.training.recipe import Recipe


class CheckpointEngine(Engine):
    """The per-view network of a checkpoint: a row of logits is a crop's own, its mirror image is not averaged in.

    checkpoint: a full one.  spec: what it is, and the size of its crops.  batch_size: crops at a time.
    """

    def __init__(self, checkpoint: Checkpoint, spec: ModelSpec, *, batch_size: int) -> None:
        model = build_network(checkpoint.architecture, depth=checkpoint.depth, classes=spec.classes)
        apply_checkpoint(model, checkpoint)
        self.spec, self.batch_size = spec, batch_size
        self.identity = EngineIdentity(backend="paddle", version=paddle.__version__, precision=spec.precision)
        self._views: ViewFunction | None = view_function(model, crop_size=spec.crop_size)
        self._pooled: ViewFunction | None = None
        self._model = model
        self._weights, self._bias = (checkpoint.arrays[f"head.fc.{name}"] for name in ("weight", "bias"))
        self.features = len(self._weights)

    @classmethod
    def of_recipe(cls, weights: str | Path, recipe: Recipe) -> CheckpointEngine:
        """Open `weights`, which `recipe` trained.

        Raises ModelError for weights of another depth or number of classes than it says.
        """
        labels = labels_of(recipe)
        expected = recipe.model
        checkpoint = read_checkpoint(
            weights, architecture=expected.architecture, depth=expected.depth, classes=len(labels)
        )
        require_full(checkpoint)
        spec = model_spec(recipe, labels=labels, weights_digest=weights_digest(checkpoint.arrays))
        return cls(checkpoint, spec, batch_size=recipe.evaluation.batch_crops)

    def _infer(self, crops: Frame) -> Logits:
        if self._views is None:
            raise ValueError("the engine is closed")
        return self._views(normalise(crops, mean=self.spec.mean, std=self.spec.std))

    def _infer_rows(self, crops: Frame) -> Rows:
        if self._views is None:
            raise ValueError("the engine is closed")
        if self._pooled is None:  # a graph of its own, made where somebody asks
            self._pooled = view_function(self._model, crop_size=self.spec.crop_size, of="frame_features")
        features = self._pooled(normalise(crops, mean=self.spec.mean, std=self.spec.std))
        return np.concatenate([features @ self._weights + self._bias, features], axis=1)

    def close(self) -> None:
        """Release the network; a later `infer` raises ValueError."""
        self._model = self._views = self._pooled = None
