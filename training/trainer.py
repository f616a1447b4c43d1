"""The training run: epochs of steps and validation, with a checkpoint after each.

An interrupted and resumed run gives the uninterrupted run's weights to the bit on a CPU: order, augmentation,
mixup and dropout follow from (seed, epoch, iteration or index in the list), and from no state that runs along;
matrix products add up in a fixed order (see `pptsn.runtime.engines.paddle.library`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import PptsnError, ToldElsewhereError, UsageError
from pptsn.runtime.engines.paddle.library import arithmetic
from pptsn.training.checkpoint.run_folder import Resumption, RunFolder, TrainingState
from pptsn.training.data.inputs import (
    SampleLists,
    clip_settings,
    labels_of,
    model_spec,
    sample_lists,
    steps_per_epoch,
)
from pptsn.training.data.loader import Batch, Loader
from pptsn.training.divergence import check_step, require_finite
from pptsn.training.losses import draw_mix, mixup_cross_entropy
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.weights import apply_checkpoint, load_weights, state_of, weights_digest
from pptsn.training.optimizer import RecipeOptimizer, learning_rate, load_scaling, scaling_state
from pptsn.training.precision import Precision
from pptsn.training.progress import Bar, Display, epoch_line
from pptsn.training.ranks.agreement import require_alike
from pptsn.training.ranks.batch_norm import synchronised
from pptsn.training.ranks.group import Ranks
from pptsn.training.ranks.joining import join
from pptsn.training.recipe import Recipe
from pptsn.training.resuming import require_resumable
from pptsn.training.validation import validate
from pptsn.training.writing import RunWriter

# Streams of random numbers, so that none of them repeats another: the loader draws from (seed, epoch, ...) itself.
_WEIGHTS_STREAM, _DROPOUT_STREAM, _MIXUP_STREAM = 101, 102, 103


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a run ended with: epochs done, the best of them (from 1) with its validation top-1 (0..1), weights."""

    epochs: int
    best_epoch: int
    best_top1: float
    best_weights: Path
    last_weights: Path


def train(
    recipe: Recipe,
    output: str | Path,
    *,
    resume: bool = False,
    resume_ranks: bool = False,
    display: Display | None = None,
) -> TrainingResult:
    """Train by `recipe` into the folder `output` (see `checkpoint`), and return how it ended.

    In a process that Paddle's launcher started, this is one rank of several: each has its share of the list, and
    rank 0 alone writes and shows.
    resume: go on from the last checkpoint in `output`, from the start where there is none yet.
    resume_ranks: even where it was made by another number of ranks.
    Raises PptsnError: unusable lists, weights or folder; a loss that is no number; an interruption by Ctrl-C;
    ranks that do not meet, or were started with different recipes or lists.
    """
    ranks = join(recipe.device)
    display = display or Display.of_rank(ranks.member)
    with ranks.together():
        precision = Precision(recipe)
        labels = labels_of(recipe)
        samples = sample_lists(recipe, classes=len(labels))
    require_alike(ranks, recipe, samples.digest())
    run = RunFolder(output)
    with ExitStack() as held:
        resumption = None
        with ranks.together():
            if ranks.is_first:
                held.enter_context(run.locked())
                resumption = run.open(recipe, resume=resume)
            trainer = Trainer(
                recipe, run, labels=labels, samples=samples, display=display, ranks=ranks, precision=precision
            )
        trainer.start(resumption, any_ranks=resume_ranks)
        try:
            return trainer.run_epochs()
        except KeyboardInterrupt as error:
            cause = f"interrupted in epoch {trainer.epoch + 1} of {recipe.optimizer.epochs}"
            ending = PptsnError if ranks.is_first else ToldElsewhereError
            raise ending(output, cause, "go on with --resume") from error


class Trainer:
    """One run in progress.  `start` first, then `run_epochs`."""

    def __init__(
        self,
        recipe: Recipe,
        run: RunFolder,
        *,
        labels: tuple[str, ...],
        samples: SampleLists,
        display: Display,
        ranks: Ranks,
        precision: Precision,
    ) -> None:
        self._ranks = ranks
        self._recipe, self._run, self._labels, self._display = recipe, run, labels, display
        self._samples = samples
        self._data_digest = samples.digest()
        self._accumulate = recipe.optimizer.batches_per_step(ranks.count)
        self._clips_per_step = recipe.optimizer.batch_size * self._accumulate * ranks.count
        self._steps = steps_per_epoch(recipe, len(samples.train), clips_per_step=self._clips_per_step)
        paddle.seed(_seed(recipe.seed, _WEIGHTS_STREAM))
        model = recipe.model
        self._model = build_network(
            model.architecture, depth=model.depth, classes=len(labels), drop_ratio=model.drop_ratio
        )
        if model.sync_batch_norm:
            self._model = synchronised(self._model)
        self._optimizer = RecipeOptimizer(
            self._model,
            momentum=recipe.optimizer.momentum,
            weight_decay=recipe.optimizer.weight_decay,
            clip_norm=recipe.optimizer.clip_norm,
            ranks=ranks,
        )
        self._precision, self._scaler = precision, precision.scaler
        self.epoch = 0
        self._iteration = 0
        self._best_epoch, self._best_top1, self._best_loss = 0, -1.0, math.inf
        self._metrics_bytes = 0

    def start(self, resumption: Resumption | None, *, any_ranks: bool = False) -> None:
        """Take over a checkpoint, or begin with the pretrained weights of the recipe: rank 0 does, for all ranks.

        resumption: None in the other ranks.  any_ranks: whether its number of ranks may be another.
        """
        with self._ranks.together():
            if resumption is not None:
                require_resumable(
                    resumption.state,
                    root=self._run.root,
                    data_digest=self._data_digest,
                    ranks=self._ranks.count,
                    any_ranks=any_ranks,
                    display=self._display,
                )
                apply_checkpoint(self._model, resumption.weights)
            elif self._ranks.is_first and self._recipe.model.pretrained is not None:
                self._begin_with(self._recipe.model.pretrained)
        self._ranks.take_first_state(self._model)
        (state, *_) = self._ranks.gather(dataclasses.asdict(resumption.state) if resumption else None)
        if state is not None:
            self._go_on_from(TrainingState(**state))
            velocities = resumption.optimizer if resumption else self._optimizer.empty_state()
            source = resumption.folder if resumption else self._run.root
            with self._ranks.together():
                self._optimizer.load_state(velocities, source=source)
            self._optimizer.load_state(self._ranks.first_arrays(velocities), source=source)

    def _begin_with(self, weights: Path) -> None:
        report = load_weights(self._model, weights, backbone_only=self._recipe.model.pretrained_backbone_only)
        left_out = f", left out {', '.join(report.left_out)}" if report.left_out else ""
        self._display.line(f"{weights}: loaded {report.loaded} entries ({report.kind}){left_out}")

    def run_epochs(self) -> TrainingResult:
        """Train the epochs that are left."""
        epochs = self._recipe.optimizer.epochs
        settings, workers = clip_settings(self._recipe), self._recipe.data.workers
        size, seed = self._recipe.optimizer.batch_size, self._recipe.seed
        member = self._ranks.member
        with (
            self._open_writer() as writer,
            Loader(settings, batch_size=size, workers=workers, seed=seed, member=member) as loader,
            self._display.bar("training", total=epochs * self._steps, done=self.epoch * self._steps) as bar,
        ):
            while self.epoch < epochs:
                self._run_epoch(loader, writer, bar)
        return TrainingResult(
            epochs=self.epoch,
            best_epoch=self._best_epoch,
            best_top1=self._best_top1,
            best_weights=self._run.best_weights,
            last_weights=self._run.last_weights,
        )

    def _open_writer(self) -> RunWriter:
        model, first = self._recipe.model, self._ranks.is_first
        title = f"PP-TSN, depth {model.depth}, {len(self._labels)} classes, {model.num_seg} segments"
        with self._ranks.together():
            writer = RunWriter(self._run, is_first=first, title=title, keep_bytes=self._metrics_bytes)
            writer.draw()  # at once, so that a missing Matplotlib shows before an epoch's work
        return writer

    def _run_epoch(self, loader: Loader, writer: RunWriter, bar: Bar) -> None:
        started = time.monotonic()
        train_loss, unreadable = self._train_epoch(loader, writer, bar)
        training_s = time.monotonic() - started
        place = f"the validation of epoch {self.epoch + 1}{self._what_stays()}"
        validation = validate(
            self._model, loader, self._samples.val, display=self._display, place=place, ranks=self._ranks
        )
        unreadable += validation.unreadable
        self.epoch += 1
        # Among equals the surer one: on a small list many epochs get as many clips right.
        if (validation.top1, -validation.loss) > (self._best_top1, -self._best_loss):
            self._best_epoch, self._best_top1, self._best_loss = self.epoch, validation.top1, validation.loss
        values = {
            "epoch": self.epoch,
            "iteration": self._iteration,
            "train_loss": train_loss,
            "val_loss": validation.loss,
            "val_top1": validation.top1,
            "val_top5": validation.top5,
            "best_epoch": self._best_epoch,
            "clips_per_s": len(self._samples.train) / training_s,
            "duration_s": time.monotonic() - started,
        }
        with self._ranks.together():
            writer.write("epoch", **values, unreadable=unreadable)
            self._commit(writer)
            writer.draw()
        self._display.line(epoch_line(values, self._recipe.optimizer.epochs, len(unreadable)))

    def _train_epoch(self, loader: Loader, writer: RunWriter, bar: Bar) -> tuple[float, list[str]]:
        """Return the mean loss of the steps, and a line for each clip that could not be read, of all ranks."""
        self._model.train()
        paddle.seed(_seed(*self._ranks.stream(self._recipe.seed, _DROPOUT_STREAM, self.epoch)))
        losses: list[float] = []
        group: list[float] = []  # the losses of the step's batches
        clips: list[str] = []
        unreadable: list[str] = []
        # Batches that fill no step are not even seen: they would move the statistics of batch norm.
        batches = self._ranks.in_step(loader.batches(self._samples.train, mode="train", epoch=self.epoch))
        for batch in itertools.islice(batches, self._steps * self._accumulate):
            unreadable += batch.unreadable
            clips += [str(self._samples.train[index].path) for index in batch.indices]
            group.append(self._add(batch, part=len(group)))
            if len(group) == self._accumulate:
                losses.append(self._step(writer, bar, number=len(losses), own_losses=group, clips=clips))
                group, clips = [], []
        self._optimizer.drop()  # of a last group that unreadable clips left incomplete
        if not losses:
            cause = "has fewer readable clips than one step takes"
            raise UsageError("training list", cause, "lower optimizer.batch_size or optimizer.accumulate")
        return float(np.mean(losses)), loader.unreadable_of_all(unreadable, self._samples.train, self._ranks)

    def _rate(self, number: int) -> float:
        """Return the learning rate of the epoch's step `number`."""
        options = self._recipe.optimizer
        factor = options.rate_factor(self._clips_per_step)
        return learning_rate(
            self.epoch * self._steps + number,
            iterations_per_epoch=self._steps,
            epochs=options.epochs,
            base_rate=factor * options.base_rate,
            warmup_epochs=options.warmup_epochs,
            warmup_rate=factor * options.warmup_rate,
        )

    def _step(
        self, writer: RunWriter, bar: Bar, *, number: int, own_losses: list[float], clips: list[str]
    ) -> float:
        """Do the epoch's step `number` by the gradients added; return its loss, the mean over batches and ranks.

        own_losses, clips: of this rank's batches.
        """
        rate, own_loss = self._rate(number), float(np.mean(own_losses))
        self._optimizer.set_rate(rate)
        self._optimizer.step(scaler=self._scaler)
        loss = float(np.mean(self._ranks.gather(own_loss)))
        place = f"epoch {self.epoch + 1}, iteration {self._iteration}{self._what_stays()}"
        with self._ranks.together():
            check_step(self._model, own_loss, clips=clips, place=place)
            self._record(writer, bar, number=number, loss=loss, rate=rate)
        return loss

    def _add(self, batch: Batch, *, part: int) -> float:
        """Add the gradients of `batch`, the step's batch number `part`, and return its loss."""
        augmentation = self._recipe.augmentation
        number = self._iteration * self._accumulate + part
        rng = np.random.default_rng(self._ranks.stream(self._recipe.seed, number, _MIXUP_STREAM))
        mix = draw_mix(rng, len(batch), alpha=augmentation.mixup_alpha)
        labels, partners = paddle.to_tensor(batch.labels), paddle.to_tensor(batch.labels[mix.partners])
        with self._precision.cast():
            logits = self._model(mix.apply(paddle.to_tensor(batch.crops)))
        loss = mixup_cross_entropy(
            logits.astype("float32"), labels, partners, mix.share, smoothing=augmentation.label_smoothing
        )
        self._optimizer.add(loss, of=self._accumulate, scaler=self._scaler)
        return float(loss)

    def _record(self, writer: RunWriter, bar: Bar, *, number: int, loss: float, rate: float) -> None:
        """Count one iteration, show it, and log some."""
        if self._iteration % self._recipe.log_every == 0:
            fraction = self.epoch + number / self._steps
            writer.write("iteration", epoch=fraction, iteration=self._iteration, loss=loss, rate=rate)
        self._iteration += 1
        bar.advance(description=f"epoch {self.epoch + 1}, loss {loss:.3f}")

    def _what_stays(self) -> str:
        return f" (the checkpoint of epoch {self.epoch} stays)" if self.epoch else ""

    def _commit(self, writer: RunWriter) -> None:
        if not self._ranks.is_first:
            return
        weights, optimizer = state_of(self._model), self._optimizer.state()
        require_finite(weights | optimizer, place=f"the end of epoch {self.epoch}")
        state = TrainingState(
            epoch=self.epoch,
            iteration=self._iteration,
            best_epoch=self._best_epoch,
            best_top1=self._best_top1,
            best_loss=self._best_loss,
            metrics_bytes=self._metrics_bytes,
            data_digest=self._data_digest,
            loss_scaling=scaling_state(self._scaler),
            arithmetic=arithmetic(paddle),
            ranks=self._ranks.count,
        )
        spec = model_spec(self._recipe, labels=self._labels, weights_digest=weights_digest(weights))
        writer.commit(state, weights=weights, optimizer=optimizer, spec=spec)

    def _go_on_from(self, state: TrainingState) -> None:
        load_scaling(self._scaler, state.loss_scaling)
        self.epoch, self._iteration = state.epoch, state.iteration
        self._best_epoch, self._best_top1, self._best_loss = state.best_epoch, state.best_top1, state.best_loss
        self._metrics_bytes = state.metrics_bytes


def _seed(*key: int) -> int:
    """Return a seed for Paddle that belongs to `key` alone."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])
