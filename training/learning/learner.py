"""The network and what changes it: gradients of batches, added up to steps at the recipe's rates.

What is drawn at random follows from (seed, epoch, iteration) alone, as in all of a run (see `trainer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import UsageError
from pptsn.training.checkpoint.pickles import Array
from pptsn.training.data.loader import Batch
from pptsn.training.data.steps import Steps
from pptsn.training.distillation.distiller import Distiller
from pptsn.training.distillation.mutual import mutual_of
from pptsn.training.learning.averaging import WeightAverage
from pptsn.training.learning.losses import Losses, draw_mix
from pptsn.training.learning.optimizer import learning_rate, load_scaling, scaling_state
from pptsn.training.learning.precision import Precision
from pptsn.training.learning.statistics import batch_norms, count_statistics
from pptsn.training.learning.trainee import DROPOUT_STREAM, MIXUP_STREAM, Trainee, seed_of
from pptsn.training.network._paddle import paddle
from pptsn.training.network.int8 import doubts, round_as
from pptsn.training.network.pixels import network_input
from pptsn.training.network.starting import start_from
from pptsn.training.network.weights import Checkpoint, apply_checkpoint
from pptsn.training.profiling.clock import spent_on
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe

# What the names of a second network's velocities begin with.
PEER = "peer."
# What a checkpoint calls the loss scaling of each trainee.
_SCALINGS = ("loss_scaling", "peer_loss_scaling")


class Learner(Trainee):
    """The network of `recipe` with its optimiser: `begin_epoch`, then for each step `add` its batches and `step`.

    iteration: the steps done in all, which a resumed run sets.
    distiller: of the recipe's distillation, if it has a teacher.
    rounding: what the network rounds, where the recipe asks for it, in a line.
    average: of the weights, from `begin_average` on, where the recipe asks for it.
    trainees: this network, and where the recipe has one the second, which is trained beside it.
    loss_parts: what the loss of the last batch is made of, by name; nothing where it is of labels alone.
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
        self._mutual = mutual_of(recipe, counts=counts, steps=steps, ranks=ranks)
        super().__init__(recipe, counts=counts, steps=steps, ranks=ranks, precision=precision)
        self.rounding = round_as(self.model, recipe.model.int8) if recipe.model.int8 else ""
        self._require_batch_norms()
        self._distiller = distiller
        self.trainees: list[Trainee] = [self] if self._mutual is None else [self, self._mutual.peer]
        self.loss_parts: Losses = {}
        self.average: WeightAverage | None = None
        self.iteration = 0
        self._epoch = self._number = 0

    @property
    def peer(self) -> Trainee | None:
        """The second network, where there is one."""
        return None if self._mutual is None else self._mutual.peer

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
        for trainee in self.trainees:
            self._ranks.take_first_state(trainee.model)
        if self.average is not None:
            with self.average.in_place():
                self._ranks.take_first_state(self.model)

    def start_from_pretrained(self, labels: tuple[str, ...]) -> Iterator[str]:
        """Load the pretrained weights of the recipe, and yield what a user should know of them.

        A line for each network that has some, and one where what the first rounds like was made of others.
        """
        for trainee in self.trainees:
            if trainee.pretrained is not None:
                yield start_from(trainee.model, trainee.pretrained, labels=labels)
        if self._recipe.model.int8:
            yield from doubts(self._recipe.model.int8, self.weights())

    def validated(self) -> AbstractContextManager[None]:
        """Return the context in which the model has the weights that are validated and saved: averages, if any."""
        return nullcontext() if self.average is None else self.average.in_place()

    def states(self) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        """Return the weights that are validated; what steps go on with where those are averages; the peer's."""
        own, of_peer = self.weights(), {} if self.peer is None else self.peer.weights()
        return (own, {}, of_peer) if self.average is None else (self.average.state(), own, of_peer)

    def load(self, weights: Checkpoint, of_peer: Checkpoint | None) -> None:
        """Take over the weights that steps go on with; raises ModelError where they do not fit."""
        apply_checkpoint(self.model, weights)
        if self.peer is not None and of_peer is not None:
            apply_checkpoint(self.peer.model, of_peer)

    def prepare_all(self) -> None:
        """Bring all networks into the types of the steps, see `prepare`."""
        for trainee in self.trainees:
            trainee.prepare()

    def scalings(self) -> dict[str, dict[str, float]]:
        """Return the states of loss scaling, as `load_scalings` takes them."""
        states = [scaling_state(trainee.scaler) for trainee in self.trainees]
        return dict(zip(_SCALINGS, states, strict=False))

    def load_scalings(self, **states: Mapping[str, float]) -> None:
        """Take over what `scalings` returned."""
        for name, trainee in zip(_SCALINGS, self.trainees, strict=False):
            load_scaling(trainee.scaler, states[name])

    def velocities(self) -> dict[str, Array]:
        """Return copies of all velocities, as `RecipeOptimizer.state` does; names of a peer's begin with PEER."""
        return {
            f"{prefix}{name}": velocity
            for prefix, trainee in zip(("", PEER), self.trainees, strict=False)
            for name, velocity in trainee.optimizer.state().items()
        }

    def load_velocities(self, velocities: Mapping[str, Array] | None, *, source: object) -> None:
        """Take over what `velocities` returned in rank 0; None in the others.  A collective of all ranks.

        Raises ModelError where they do not fit; `source` names them in that.
        """
        for prefix, trainee in zip(("", PEER), self.trainees, strict=False):
            own = trainee.optimizer.empty_state() if velocities is None else _of(velocities, prefix)
            with self._ranks.together():
                trainee.optimizer.load_state(own, source=source)
            trainee.optimizer.load_state(self._ranks.first_arrays(own), source=source)

    @property
    def epoch(self) -> float:
        """The epochs done, from 0, the share of the running one included."""
        return self._epoch + self._number / self.steps.per_epoch

    def begin_epoch(self, epoch: int) -> None:
        """Make ready for the steps of `epoch`, from 0."""
        self._epoch, self._number = epoch, 0
        for trainee in self.trainees:
            trainee.train_mode()
        paddle.seed(seed_of(*self._ranks.stream(self._recipe.seed, DROPOUT_STREAM, epoch)))
        if self._distiller is not None:
            self._distiller.begin_epoch(epoch)

    def end_epoch(self) -> None:
        """Keep what the teacher answered in the epoch, where the recipe says so."""
        if self._distiller is not None:
            self._distiller.end_epoch()

    def _require_batch_norms(self) -> None:
        self.train_mode()
        if self._recipe.model.precise_batch_norm and not batch_norms(self.model):
            cause = (
                f"has nothing to count, as model.freeze {self._recipe.model.freeze} leaves no batch norm to learn"
            )
            raise UsageError("model.precise_batch_norm", cause, "leave one of them out")

    def count_statistics(self, batches: Iterable[Batch]) -> None:
        """Count the statistics of batch norm anew, of the weights as they are, see `statistics`."""
        self.train_mode()
        inputs = (network_input(batch.crops) for batch in batches)
        count_statistics(self.model, inputs, ranks=self._ranks, cast=self.cast)

    def add(self, batch: Batch, *, part: int) -> float:
        """Add the gradients of `batch`, the coming step's batch number `part`, and return its loss."""
        augmentation = self._recipe.augmentation
        number = self.iteration * self.steps.batches + part
        rng = np.random.default_rng(self._ranks.stream(self._recipe.seed, number, MIXUP_STREAM))
        mix = draw_mix(rng, len(batch), alpha=augmentation.mixup_alpha)
        with spent_on("copy"):
            crops = network_input(batch.crops)
        with spent_on("forward"):
            inputs = mix.apply(crops)
            logits = self.logits(inputs)
            loss = self.label_loss(logits, batch, mix)
        if self._distiller is not None:
            with spent_on("teacher"):
                loss = self._distiller.loss(loss, logits, batch, mix, weights=self._class_weights)
            self.loss_parts = self._distiller.parts
        if self._mutual is not None:
            with spent_on("forward"):
                loss = self._mutual.loss(loss, logits, inputs, batch, mix, weights=self._class_weights)
            self.loss_parts = self._mutual.parts
        self.add_loss(loss)
        return float(loss)

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

    def drop(self) -> None:
        """Forget the gradients that were added since the last step."""
        for trainee in self.trainees:
            trainee.optimizer.drop()

    def step(self) -> None:
        """Change the weights by the gradients added, averaged over the ranks, and their moving average by them."""
        with spent_on("optimizer"):
            for trainee in self.trainees:
                trainee.step_at(self.rate)
            if self.average is not None:
                self.average.update(self.iteration, self.optimizer.exact(self.model))

    def count_step(self) -> None:
        """Go on to the next step."""
        self.iteration += 1
        self._number += 1


def _of(velocities: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return those of the network whose names begin with `prefix`, PEER or nothing."""
    own = {name: array for name, array in velocities.items() if name.startswith(PEER) == bool(prefix)}
    return {name.removeprefix(prefix): array for name, array in own.items()}
