"""The network and what changes it: gradients of batches, added up to steps at the recipe's rates.

What is drawn at random follows from (seed, epoch, iteration) alone, as in all of a run (see `trainer`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import UsageError
from pptsn.training.checkpoint.pickles import Array
from pptsn.training.data.loader import Batch
from pptsn.training.data.steps import Steps
from pptsn.training.distillation.distiller import Distiller
from pptsn.training.learning.averaging import WeightAverage
from pptsn.training.learning.losses import class_weights, draw_mix, mixup_cross_entropy
from pptsn.training.learning.optimizer import RecipeOptimizer, learning_rate
from pptsn.training.learning.precision import Precision
from pptsn.training.learning.statistics import batch_norms, count_statistics
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.freezing import freeze
from pptsn.training.network.pixels import network_input
from pptsn.training.network.weights import Checkpoint, apply_checkpoint, state_of
from pptsn.training.profiling.clock import spent_on
from pptsn.training.ranks.batch_norm import synchronised
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe

# Streams of random numbers, so that none of them repeats another: the loader draws from (seed, epoch, ...) itself.
_WEIGHTS_STREAM, _DROPOUT_STREAM, _MIXUP_STREAM = 101, 102, 103


class Learner:
    """The network of `recipe` with its optimiser: `begin_epoch`, then for each step `add` its batches and `step`.

    counts: (C,) clips of each class in the training list.
    model: a Paddle layer, newly drawn from the recipe's seed.  optimizer, scaler: their state belongs to a
    checkpoint.  iteration: the steps done in all, which a resumed run sets.
    distiller: of the recipe's distillation, if it has one.
    average: of the weights, from `begin_average` on, where the recipe asks for it.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        counts: npt.NDArray[np.int64],
        steps: Steps,
        ranks: Ranks,
        precision: Precision,
        distiller: Distiller | None = None,
    ) -> None:
        self._recipe, self._ranks, self._precision = recipe, ranks, precision
        self.steps = steps
        paddle.seed(_seed(recipe.seed, _WEIGHTS_STREAM))
        model = recipe.model
        network = build_network(
            model.architecture, depth=model.depth, classes=len(counts), drop_ratio=model.drop_ratio
        )
        self.model = synchronised(network) if model.sync_batch_norm else network
        self._frozen = freeze(self.model, model.freeze) if model.freeze else []
        self._require_batch_norms()
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
        self._distiller = distiller
        self.average: WeightAverage | None = None
        self.iteration = 0
        self._epoch = self._number = 0

    def begin_average(self, averages: Checkpoint | None = None) -> None:
        """Begin the moving average that the recipe asks for, if any: with the weights as they are, or `averages`.

        Raises ModelError where those do not fit.
        """
        decay = self._recipe.optimizer.ema_decay
        if decay is None:
            return
        self.average = WeightAverage(self.model, decay=decay)
        if averages is not None:
            with self.average.in_place():
                apply_checkpoint(self.model, averages)

    def take_first_state(self) -> None:
        """Take over the parameters, statistics and averages of rank 0."""
        self._ranks.take_first_state(self.model)
        if self.average is not None:
            with self.average.in_place():
                self._ranks.take_first_state(self.model)

    def validated(self) -> AbstractContextManager[None]:
        """Return the context in which the model has the weights that are validated and saved: averages, if any."""
        return nullcontext() if self.average is None else self.average.in_place()

    def states(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the weights that are validated, and where those are averages what steps go on with as well."""
        own = state_of(self.model) | self.optimizer.masters()
        return (own, {}) if self.average is None else (self.average.state(), own)

    def prepare(self) -> None:
        """Bring the network, with the weights that it begins with, into the types of the steps.

        Before the first step, and before `optimizer` takes a state over.
        """
        self._precision.prepare(self.model, self.optimizer)

    def cast(self) -> Any:
        """Return the context in which the network computes, in validation as in steps."""
        return self._precision.cast()

    @property
    def epoch(self) -> float:
        """The epochs done, from 0, the share of the running one included."""
        return self._epoch + self._number / self.steps.per_epoch

    def begin_epoch(self, epoch: int) -> None:
        """Make ready for the steps of `epoch`, from 0."""
        self._epoch, self._number = epoch, 0
        self._train_mode()
        paddle.seed(_seed(*self._ranks.stream(self._recipe.seed, _DROPOUT_STREAM, epoch)))
        if self._distiller is not None:
            self._distiller.begin_epoch(epoch)

    def end_epoch(self) -> None:
        """Keep what the teacher answered in the epoch, where the recipe says so."""
        if self._distiller is not None:
            self._distiller.end_epoch()

    def _train_mode(self) -> None:
        self.model.train()
        for layer in self._frozen:
            layer.eval()

    def _require_batch_norms(self) -> None:
        self._train_mode()
        if self._recipe.model.precise_batch_norm and not batch_norms(self.model):
            cause = (
                f"has nothing to count, as model.freeze {self._recipe.model.freeze} leaves no batch norm to learn"
            )
            raise UsageError("model.precise_batch_norm", cause, "leave one of them out")

    def count_statistics(self, batches: Iterable[Batch]) -> None:
        """Count the statistics of batch norm anew, of the weights as they are, see `statistics`."""
        self._train_mode()
        inputs = (network_input(batch.crops) for batch in batches)
        count_statistics(self.model, inputs, ranks=self._ranks, cast=self.cast)

    def add(self, batch: Batch, *, part: int) -> float:
        """Add the gradients of `batch`, the coming step's batch number `part`, and return its loss."""
        augmentation = self._recipe.augmentation
        number = self.iteration * self.steps.batches + part
        rng = np.random.default_rng(self._ranks.stream(self._recipe.seed, number, _MIXUP_STREAM))
        mix = draw_mix(rng, len(batch), alpha=augmentation.mixup_alpha)
        with spent_on("copy"):
            crops = network_input(batch.crops)
            labels, partners = paddle.to_tensor(batch.labels), paddle.to_tensor(batch.labels[mix.partners])
        with spent_on("forward"):
            inputs = mix.apply(crops)
            with self.cast():
                logits = self.model(inputs).astype("float32")
            loss = mixup_cross_entropy(
                logits,
                labels,
                partners,
                mix.share,
                smoothing=augmentation.label_smoothing,
                weights=self._class_weights,
            )
        if self._distiller is not None:
            with spent_on("teacher"):
                loss = self._distiller.loss(loss, logits, batch, mix, weights=self._class_weights)
        with spent_on("backward"):
            self.optimizer.add(loss, of=self.steps.batches, scaler=self.scaler)
        return float(loss)

    @property
    def loss_parts(self) -> dict[str, float]:
        """What the loss of the last batch is made of, unweighted, by name; nothing where it is of labels alone."""
        return {} if self._distiller is None else self._distiller.parts

    def require_sound_teacher(self, *, place: str) -> None:
        """Raise PptsnError where the teacher gave logits that are no finite numbers; place: for the error."""
        if self._distiller is not None:
            self._distiller.require_sound(place=place)

    @property
    def rate(self) -> float:
        """The learning rate of the coming step."""
        options = self._recipe.optimizer
        factor = options.rate_factor(self.steps.clips)
        return learning_rate(
            self._epoch * self.steps.per_epoch + self._number,
            iterations_per_epoch=self.steps.per_epoch,
            epochs=options.epochs,
            base_rate=factor * options.base_rate,
            warmup_epochs=options.warmup_epochs,
            warmup_rate=factor * options.warmup_rate,
        )

    def step(self) -> None:
        """Change the weights by the gradients added, averaged over the ranks, and their moving average by them."""
        with spent_on("optimizer"):
            self.optimizer.set_rate(self.rate)
            self.optimizer.step(scaler=self.scaler)
            if self.average is not None:
                self.average.update(self.iteration, self.optimizer.exact(self.model))

    def count_step(self) -> None:
        """Go on to the next step."""
        self.iteration += 1
        self._number += 1


def _seed(*key: int) -> int:
    """Return a seed for Paddle that belongs to `key` alone."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])
