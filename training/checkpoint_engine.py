"""A checkpoint run by Paddle, behind the interface that the runtime's engines have."""

from __future__ import annotations

from pathlib import Path

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines import Engine, EngineIdentity
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.training.data.inputs import labels_of, model_spec
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.graph import Logits, ViewFunction, view_function
from pptsn.training.network.weights import apply_checkpoint, read_checkpoint, weights_digest
from pptsn.training.recipe import Recipe


class CheckpointEngine(Engine):
    """The per-view network of a checkpoint: a row of logits is a crop's own, its mirror image is not averaged in.

    Raises ModelError for weights of another depth or number of classes than `recipe` says.
    """

    def __init__(self, weights: str | Path, recipe: Recipe) -> None:
        labels = labels_of(recipe)
        expected = recipe.model
        checkpoint = read_checkpoint(
            weights, architecture=expected.architecture, depth=expected.depth, classes=len(labels)
        )
        if checkpoint.classes is None:
            raise ModelError(weights, "is a backbone without a classifier, expected a full checkpoint")
        model = build_network(checkpoint.architecture, depth=checkpoint.depth, classes=len(labels))
        apply_checkpoint(model, checkpoint)
        self.spec = model_spec(recipe, labels=labels, weights_digest=weights_digest(checkpoint.arrays))
        self.batch_size = recipe.evaluation.batch_crops
        self.identity = EngineIdentity(backend="paddle", version=paddle.__version__, precision=self.spec.precision)
        self._views: ViewFunction | None = view_function(model, crop_size=recipe.model.crop_size)

    def _infer(self, crops: Frame) -> Logits:
        if self._views is None:
            raise ValueError("the engine is closed")
        return self._views(normalise(crops, mean=self.spec.mean, std=self.spec.std))

    def close(self) -> None:
        """Release the network; a later `infer` raises ValueError."""
        self._views = None
