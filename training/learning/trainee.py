"""A network that is trained, with its optimiser, in the types in which its steps compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.training.checkpoint.pickles import Array
from pptsn.training.data.loader import Batch
from pptsn.training.data.steps import Steps
from pptsn.training.learning.losses import Mix, class_weights, mixup_cross_entropy
from pptsn.training.learning.optimizer import RecipeOptimizer
from pptsn.training.learning.precision import Precision
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.freezing import freeze
from pptsn.training.network.weights import state_of
from pptsn.training.profiling.clock import spent_on
from pptsn.training.ranks.batch_norm import synchronised
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe

# Streams of random numbers, so that none of them repeats another: the loader draws from (seed, epoch, ...) itself.
WEIGHTS_STREAM, DROPOUT_STREAM, MIXUP_STREAM, PEER_STREAM = 101, 102, 103, 104


class Trainee:
    """The network of `recipe` with its optimiser.

    counts: (C,) clips of each class in the training list.
    model: a Paddle layer, newly drawn from the recipe's seed.  optimizer, scaler: their state belongs to a
    checkpoint.  pretrained: the file of weights to begin with, None for those that were drawn.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        counts: npt.NDArray[np.int64],
        steps: Steps,
        ranks: Ranks,
        precision: Precision,
    ) -> None:
        self._recipe, self._ranks, self._precision = recipe, ranks, precision
        self.steps, self.pretrained = steps, recipe.model.pretrained
        paddle.seed(seed_of(recipe.seed, WEIGHTS_STREAM))
        model = recipe.model
        network = build_network(
            model.architecture, depth=model.depth, classes=len(counts), drop_ratio=model.drop_ratio
        )
        self.model = synchronised(network) if model.sync_batch_norm else network
        self._frozen = freeze(self.model, model.freeze) if model.freeze else []
        self.optimizer = RecipeOptimizer(
            self.model,
            momentum=recipe.optimizer.momentum,
            weight_decay=recipe.optimizer.weight_decay,
            clip_norm=recipe.optimizer.clip_norm,
            ranks=ranks,
        )
        self.scaler = precision.scaler
        asked = recipe.optimizer.class_weights
        self._class_weights = None if asked is None else paddle.to_tensor(class_weights(asked, counts))

    def prepare(self) -> None:
        """Bring the network, with the weights that it begins with, into the types of the steps.

        Before the first step, and before `optimizer` takes a state over.
        """
        self._precision.prepare(self.model, self.optimizer)

    def cast(self) -> Any:
        """Return the context in which the network computes, in validation as in steps."""
        return self._precision.cast()

    def train_mode(self) -> None:
        """Bring the network into the mode of steps, and its frozen layers into that of inference."""
        self.model.train()
        for layer in self._frozen:
            layer.eval()

    def weights(self) -> dict[str, Array]:
        """Return copies of the weights that steps go on with, float32, by published name."""
        return state_of(self.model) | self.optimizer.masters()

    def logits(self, inputs: Any) -> Any:
        """Return the logits (B, C) float32 of clips (B, T, 3, S, S), a tensor."""
        with self.cast():
            return self.model(inputs).astype("float32")

    def label_loss(self, logits: Any, batch: Batch, mix: Mix) -> Any:
        """Return the loss of `logits` (B, C) against the labels of `batch` as `mix` mixed it, a scalar."""
        return mixup_cross_entropy(
            logits,
            paddle.to_tensor(batch.labels),
            paddle.to_tensor(batch.labels[mix.partners]),
            mix.share,
            smoothing=self._recipe.augmentation.label_smoothing,
            weights=self._class_weights,
        )

    def add_loss(self, loss: Any) -> None:
        """Add the gradients of `loss`, of one of a step's batches."""
        with spent_on("backward"):
            self.optimizer.add(loss, of=self.steps.batches, scaler=self.scaler)

    def step_at(self, rate: float) -> None:
        """Change the weights by the gradients added, averaged over the ranks."""
        self.optimizer.set_rate(rate)
        self.optimizer.step(scaler=self.scaler)


def seed_of(*key: int) -> int:
    """Return a seed for Paddle that belongs to `key` alone."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])
