"""The training run: epochs of steps and validation, with a checkpoint after each.

An interrupted and resumed run gives the uninterrupted run's weights to the bit on a CPU: order, augmentation,
mixup and dropout follow from (seed, epoch, iteration or index in the list), and from no state that runs along;
matrix products add up in a fixed order (see `pptsn.runtime.engines.paddle.library`).
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from pptsn.runtime.base.errors import PptsnError, ToldElsewhereError
from pptsn.runtime.engines.paddle.library import arithmetic
from pptsn.training.basis import Basis, basis_of
from pptsn.training.checkpoint.best import Best
from pptsn.training.checkpoint.run_folder import Resumption, RunFolder, TrainingState
from pptsn.training.data.doubts import doubts
from pptsn.training.data.inputs import clip_settings, model_spec
from pptsn.training.data.loader import Batch, Loader, full_batches
from pptsn.training.data.steps import plan_steps, unfilled
from pptsn.training.head_only import HeadTrainer
from pptsn.training.learning.cudnn import set_cudnn
from pptsn.training.learning.divergence import check_scaling, check_step, require_finite
from pptsn.training.learning.learner import Learner
from pptsn.training.learning.losses import Losses, mean_losses
from pptsn.training.learning.optimizer import scaling_state
from pptsn.training.network._paddle import paddle
from pptsn.training.network.weights import weights_digest
from pptsn.training.profiling.clock import spent_on
from pptsn.training.profiling.profile import Profile
from pptsn.training.profiling.window import Window
from pptsn.training.progress import Bar, Display, epoch_line
from pptsn.training.ranks.group import Ranks
from pptsn.training.ranks.joining import join
from pptsn.training.ranks.line import is_supervised
from pptsn.training.recipe import Recipe
from pptsn.training.result import TrainingResult
from pptsn.training.resuming import require_resumable
from pptsn.training.validation import validate
from pptsn.training.writing import RunWriter


def train(
    recipe: Recipe,
    output: str | Path,
    *,
    resume: bool = False,
    resume_ranks: bool = False,
    profile: Window | None = None,
    display: Display | None = None,
) -> TrainingResult:
    """Train by `recipe` into the folder `output` (see `checkpoint`), and return how it ended.

    In a process that Paddle's launcher started, this is one rank of several: each has its share of the list, and
    rank 0 alone writes and shows.
    resume: go on from the last checkpoint in `output`, from the start where there is none yet.
    resume_ranks: even where it was made by another number of ranks.
    profile: steps of which is told where their time goes, rank 0's, see `profiling`.
    Raises PptsnError: unusable lists, weights or folder; a loss that is no number; an interruption by Ctrl-C;
    ranks that do not meet, or were started with different recipes or lists.
    """
    ranks = join(recipe.device)
    display = display or Display.of_rank(ranks.member)
    set_cudnn(recipe.cudnn, display)
    run = RunFolder(output)
    with ExitStack() as held:
        basis = basis_of(recipe, ranks, held)
        resumption = None
        with ranks.together():
            if ranks.is_first:
                held.enter_context(run.locked())
                resumption = run.open(recipe, resume=resume)
            kind = HeadTrainer if recipe.model.head_only else Trainer
            trainer = kind(recipe, run, basis, display=display, ranks=ranks)
        trainer.start(resumption, any_ranks=resume_ranks, profile=profile)
        for line in doubts(recipe, basis.samples, basis.labels):
            display.line(line)
        try:
            return trainer.run_epochs()
        except KeyboardInterrupt as error:
            cause = f"interrupted {trainer.place}"
            ending = PptsnError if ranks.is_first and not is_supervised() else ToldElsewhereError
            raise ending(output, cause, "go on with --resume") from error


class Trainer:
    """One run in progress.  `start` first, then `run_epochs`."""

    def __init__(self, recipe: Recipe, run: RunFolder, basis: Basis, *, display: Display, ranks: Ranks) -> None:
        self._recipe, self._run, self._basis, self._display = recipe, run, basis, display
        self._ranks, self._labels, self._samples = ranks, basis.labels, basis.samples
        self._steps = plan_steps(recipe.optimizer, len(self._samples.train), ranks=ranks.count)
        display.line(self._steps.line(recipe.optimizer))
        for line in basis.lines(recipe):
            display.line(line)
        self._learner = Learner(
            recipe,
            counts=basis.counts,
            steps=self._steps,
            ranks=ranks,
            precision=basis.precision,
            distiller=basis.distiller,
        )
        if self._learner.rounding:
            display.line(self._learner.rounding)
        self.epoch = 0
        self._best = Best()
        self._metrics_bytes = 0
        self._profiled: Window | None = None

    @property
    def place(self) -> str:
        """Where it is, for the message of an interruption."""
        return f"in epoch {self.epoch + 1} of {self._recipe.optimizer.epochs}"

    def start(
        self, resumption: Resumption | None, *, any_ranks: bool = False, profile: Window | None = None
    ) -> None:
        """Take over a checkpoint, or begin with the pretrained weights of the recipe: rank 0 does, for all ranks.

        resumption: None in the other ranks.  any_ranks: whether its number of ranks may be another.
        """
        with self._ranks.together():
            if resumption is not None:
                require_resumable(
                    resumption.state,
                    root=self._run.root,
                    digests=self._basis.digests,
                    options=self._recipe.optimizer,
                    steps=self._steps,
                    any_ranks=any_ranks,
                    display=self._display,
                )
                self._learner.load(resumption.unaveraged or resumption.weights, resumption.peer)
            elif self._ranks.is_first:
                for line in self._learner.start_from_pretrained(self._labels):
                    self._display.line(line)
            self._learner.begin_average(resumption.weights if resumption else None)
        self._learner.take_first_state()
        self._learner.prepare_all()
        (state, *_) = self._ranks.gather(dataclasses.asdict(resumption.state) if resumption else None)
        if state is not None:
            self._go_on_from(TrainingState(**state))
            velocities = resumption.optimizer if resumption else None
            self._learner.load_velocities(velocities, source=resumption.folder if resumption else self._run.root)
        with self._ranks.together():
            if profile is not None and self._ranks.is_first:
                total = self._recipe.optimizer.epochs * self._steps.per_epoch
                self._profiled = profile.left(done=self._learner.iteration, total=total, display=self._display)

    def run_epochs(self) -> TrainingResult:
        """Train the epochs that are left."""
        epochs = self._recipe.optimizer.epochs
        settings, workers = clip_settings(self._recipe), self._recipe.data.workers
        size, seed = self._steps.batch_size, self._recipe.seed
        member = self._ranks.member
        with (
            self._open_writer() as writer,
            Profile(self._profiled, writer=writer, display=self._display, trace=self._run.trace) as profile,
            Loader(settings, batch_size=size, workers=workers, seed=seed, member=member) as loader,
            self._display.bar(
                "training",
                total=epochs * self._steps.per_epoch,
                done=self.epoch * self._steps.per_epoch,
            ) as bar,
        ):
            while self.epoch < epochs and not self._out_of_patience():
                self._run_epoch(loader, writer, bar, profile)
            with self._ranks.together():
                profile.end()
        return TrainingResult(
            epochs=self.epoch,
            stopped_early=self.epoch < epochs,
            best_epoch=self._best.epoch,
            best_top1=self._best.top1,
            best_weights=self._run.best_weights,
            last_weights=self._run.last_weights,
        )

    def _out_of_patience(self) -> bool:
        """Whether no epoch was better for as long as rank 0 waits, and say so."""
        patience = self._recipe.optimizer.patience
        waited = self.epoch - self._best.epoch
        over, *_ = self._ranks.gather(patience is not None and waited >= patience)
        if over:
            why = f"{waited} epoch{'s' if waited > 1 else ''} without a better validation (optimizer.patience)"
            self._display.line(f"stopped after epoch {self.epoch} of {self._recipe.optimizer.epochs}: {why}")
        return bool(over)

    def _open_writer(self) -> RunWriter:
        model, first = self._recipe.model, self._ranks.is_first
        title = f"PP-TSN, depth {model.depth}, {len(self._labels)} classes, {model.num_seg} segments"
        events, kept = self._recipe.tensorboard, self._metrics_bytes
        with self._ranks.together():
            return RunWriter(self._run, is_first=first, title=title, tensorboard=events, keep_bytes=kept)

    def _run_epoch(self, loader: Loader, writer: RunWriter, bar: Bar, profile: Profile) -> None:
        started, steps_before = time.monotonic(), self._learner.iteration
        losses, unreadable = self._train_epoch(loader, writer, bar, profile)
        training_s = time.monotonic() - started
        place = f"the validation of epoch {self.epoch + 1}{self._what_stays()}"
        self._learner.take_first_state()
        with spent_on("validation"), self._learner.validated():
            self._count_statistics(loader)
            validation = validate(
                self._learner.model,
                loader,
                self._samples.val,
                display=self._display,
                place=place,
                ranks=self._ranks,
                cast=self._learner.cast,
            )
        unreadable += validation.unreadable
        self.epoch += 1
        self._best = self._best.or_if_better(Best(self.epoch, validation.top1, validation.loss))
        values = {
            "epoch": self.epoch,
            "iteration": self._learner.iteration,
            **{f"train_{name}": loss for name, loss in losses.items()},
            "val_loss": validation.loss,
            "val_top1": validation.top1,
            "val_top5": validation.top5,
            "val_averaged": self._learner.average is not None,
            "best_epoch": self._best.epoch,
            "clips_per_s": (self._learner.iteration - steps_before) * self._steps.clips / training_s,
            "duration_s": time.monotonic() - started,
        }
        with spent_on("checkpoint"), self._ranks.together():
            writer.write("epoch", **values, unreadable=unreadable)
            self._commit(writer)
            writer.draw()
        self._display.line(epoch_line(values, self._recipe.optimizer.epochs, len(unreadable)))

    def _count_statistics(self, loader: Loader) -> None:
        """Count the statistics of batch norm anew, where the recipe says so, over clips as the epoch saw them."""
        clips = self._recipe.model.precise_batch_norm
        if clips is None:
            return
        count = -(-clips // (self._steps.batch_size * self._ranks.count))
        batches = self._ranks.in_step(self._batches(loader, []))
        with self._display.bar("statistics of batch norm", total=count) as bar:
            self._learner.count_statistics(bar.each(itertools.islice(batches, count)))

    def _train_epoch(
        self, loader: Loader, writer: RunWriter, bar: Bar, profile: Profile
    ) -> tuple[Losses, list[str]]:
        """Return the mean losses of the steps, and a line for each clip that could not be read, of all ranks."""
        self._learner.begin_epoch(self.epoch)
        losses: list[Losses] = []
        group: list[Losses] = []  # the losses of the step's batches
        clips: list[str] = []
        unreadable: list[str] = []
        # Batches that fill no step are not even seen: they would move the statistics of batch norm.
        listed, done = self._batches(loader, unreadable), self._learner.iteration
        batches = self._ranks.in_step(profile.each_batch(listed, of=self._steps.batches, done=done))
        for batch in itertools.islice(batches, self._steps.per_epoch * self._steps.batches):
            clips += [str(self._samples.train[index].path) for index in batch.indices]
            group.append({"loss": self._learner.add(batch, part=len(group)), **self._learner.loss_parts})
            if len(group) == self._steps.batches:
                losses.append(self._step(writer, bar, profile, own_losses=group, clips=clips))
                group, clips = [], []
        self._learner.drop()  # of a last group that unreadable clips left incomplete
        self._learner.end_epoch()
        with self._ranks.together(), spent_on("data"):
            for _ in listed:  # what fills no step is looked at, so that every epoch tells all that cannot be read
                pass
        told = loader.unreadable_of_all(unreadable, self._samples.train, self._ranks)
        with self._ranks.together():
            if not losses:
                raise unfilled(self._recipe.optimizer, self._recipe.data.train)
        return mean_losses(losses), told

    def _batches(self, loader: Loader, unreadable: list[str]) -> Iterator[Batch]:
        """Yield this rank's batches of the epoch, and name in `unreadable` the clips that cannot be read."""
        return full_batches(loader.batches(self._samples.train, mode="train", epoch=self.epoch), unreadable)

    def _step(
        self, writer: RunWriter, bar: Bar, profile: Profile, *, own_losses: list[Losses], clips: list[str]
    ) -> Losses:
        """Do one step by the gradients added; return its losses, the means over its batches and the ranks.

        own_losses, clips: of this rank's batches.
        """
        learner = self._learner
        rate, own = learner.rate, mean_losses(own_losses)
        learner.step()
        losses = mean_losses(self._ranks.gather(own))
        place = f"epoch {self.epoch + 1}, iteration {learner.iteration}{self._what_stays()}"
        with self._ranks.together():
            learner.require_sound_teacher(place=place)
            for trainee in learner.trainees:
                check_step(trainee.model, own["loss"], clips=clips, place=place)
                check_scaling(scaling_state(trainee.scaler), place=place)
            if learner.iteration % self._recipe.log_every == 0:
                iteration = learner.iteration
                writer.write("iteration", epoch=learner.epoch, iteration=iteration, **losses, rate=rate)
            learner.count_step()
            profile.count_step(learner.iteration)
            bar.advance(description=f"epoch {self.epoch + 1}, loss {losses['loss']:.3f}")
        return losses

    def _what_stays(self) -> str:
        return f" (the checkpoint of epoch {self.epoch} stays)" if self.epoch else ""

    def _commit(self, writer: RunWriter) -> None:
        if not self._ranks.is_first:
            return
        (weights, unaveraged, of_peer), velocities = self._learner.states(), self._learner.velocities()
        for values in (weights, unaveraged, of_peer, velocities):
            require_finite(values, place=f"the end of epoch {self.epoch}")
        state = TrainingState(
            epoch=self.epoch,
            iteration=self._learner.iteration,
            best_epoch=self._best.epoch,
            best_top1=self._best.top1,
            best_loss=self._best.loss,
            metrics_bytes=self._metrics_bytes,
            **self._basis.digests,
            **self._learner.scalings(),
            peer_digest=weights_digest(of_peer) if of_peer else "",
            arithmetic=arithmetic(paddle),
            ranks=self._ranks.count,
            unaveraged_digest=weights_digest(unaveraged) if unaveraged else "",
        )
        spec = model_spec(self._recipe, labels=self._labels, weights_digest=weights_digest(weights))
        writer.commit(state, weights=weights, unaveraged=unaveraged, peer=of_peer, optimizer=velocities, spec=spec)

    def _go_on_from(self, state: TrainingState) -> None:
        self._learner.load_scalings(loss_scaling=state.loss_scaling, peer_loss_scaling=state.peer_loss_scaling)
        self.epoch, self._learner.iteration = state.epoch, state.iteration
        self._best = Best(state.best_epoch, state.best_top1, state.best_loss)
        self._metrics_bytes = state.metrics_bytes
