"""A classifier fitted to the features of a pretrained network, which stays as it is: for few clips, in seconds.

Each clip is looked at once, as in validation: its centre frames, their centre crops.  The head is linear, so what
it makes of the mean of a clip's features is the mean of what it makes of each: one vector a clip is all there is
to learn from.  Ten crops of 25 frames would take eighty times as long to extract.

Where there are folds in place of a validation list, the classifier is fitted to all clips, and what is said of it
is what others achieve, of which each has learned from all folds but the one that it answers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.errors import InputError, ModelError, UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.classify.ranking import correct_counts
from pptsn.runtime.engines.paddle.library import arithmetic
from pptsn.runtime.frames.preprocess import normalise
from pptsn.runtime.model.spec import IMAGENET_MEAN, IMAGENET_STD
from pptsn.training.basis import Basis
from pptsn.training.checkpoint.out_of_fold import FoldAnswer, OutOfFold
from pptsn.training.checkpoint.run_folder import Resumption, RunFolder, TrainingState
from pptsn.training.data.inputs import clip_settings, model_spec
from pptsn.training.data.loader import Loader
from pptsn.training.datasets.folder.splitting import FEWEST_FOLDS
from pptsn.training.learning.cross_fitting import cross_fit
from pptsn.training.learning.divergence import require_finite
from pptsn.training.learning.linear_head import Array, LinearHead, fit_linear_head
from pptsn.training.learning.losses import class_weights, cross_entropy
from pptsn.training.network._paddle import paddle
from pptsn.training.network.architectures import build_network
from pptsn.training.network.graph import ViewFunction, view_function
from pptsn.training.network.weights import (
    CLASSIFIER,
    CLASSIFIER_BIAS,
    apply_checkpoint,
    backbone_of,
    read_checkpoint,
    state_of,
    weights_digest,
)
from pptsn.training.profiling.window import Window
from pptsn.training.progress import Bar, Display
from pptsn.training.ranks.group import Ranks
from pptsn.training.recipe import Recipe
from pptsn.training.result import TrainingResult
from pptsn.training.resuming import require_same_grounds
from pptsn.training.writing import RunWriter

# From a head that hardly tells classes apart to one that fits nearly any clips.
PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True, eq=False)
class Features:
    """The clips of a list that could be read, one or more.

    features: (N, D) float32.  labels, indices: (N,) int64, the latter their places in the list.
    """

    features: Array
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Fit:
    """A head, its losses, and the shares (0..1) of all clips of the validation list that it gets right.

    out_of_fold: the answers of others of its kind, of which the latter are then, where there are folds.
    """

    penalty: float
    head: LinearHead
    train_loss: float
    val_loss: float
    val_top1: float
    val_top5: float
    out_of_fold: tuple[FoldAnswer, ...] = ()

    def to_dict(self) -> dict[str, float]:
        return {
            name: getattr(self, name) for name in ("penalty", "train_loss", "val_loss", "val_top1", "val_top5")
        }


class HeadTrainer:
    """One run that fits the classifier alone; used as a `Trainer` is.  Its checkpoint is that of one epoch.

    Raises UsageError for several ranks: there is nothing to share out that takes long.
    """

    def __init__(self, recipe: Recipe, run: RunFolder, basis: Basis, *, display: Display, ranks: Ranks) -> None:
        if ranks.count > 1:
            cause = f"fits the classifier in one process, and {ranks.count} were started"
            raise UsageError("model.head_only", cause, "start one, without --devices")
        self._recipe, self._run, self._display = recipe, run, display
        self._basis, self._labels, self._samples = basis, basis.labels, basis.samples
        self._done: TrainingState | None = None
        asked = recipe.optimizer.class_weights
        self._class_weights = None if asked is None else class_weights(asked, basis.counts)
        model = recipe.model
        self._network = build_network(model.architecture, depth=model.depth, classes=len(self._labels))

    @property
    def place(self) -> str:
        """Where it is, for the message of an interruption."""
        return "before the classifier was fitted"

    def start(
        self, resumption: Resumption | None, *, any_ranks: bool = False, profile: Window | None = None
    ) -> None:
        """Take over the pretrained backbone, or see that a finished run is of these lists.

        Raises UsageError for a `profile`.
        """
        if profile is not None:
            raise UsageError(
                "--profile", "looks at steps, and model.head_only takes none", "leave one of them out"
            )
        del any_ranks  # there is one rank
        if resumption is not None:
            require_same_grounds(resumption.state, root=self._run.root, digests=self._basis.digests)
            self._done = resumption.state
            return
        model = self._recipe.model
        path = str(model.pretrained)
        checkpoint = backbone_of(read_checkpoint(path, architecture=model.architecture, depth=model.depth))
        report = apply_checkpoint(self._network, checkpoint)
        self._display.line(f"{path}: loaded {report.loaded} entries (backbone), which stay as they are")

    def run_epochs(self) -> TrainingResult:
        """Extract the features of all clips, fit the classifier and write it, if that has not been done."""
        if self._done is not None:
            return self._result(self._done.best_top1)
        title = f"PP-TSN, depth {self._recipe.model.depth}, {len(self._labels)} classes, the classifier alone"
        events = self._recipe.tensorboard
        with RunWriter(self._run, is_first=True, title=title, tensorboard=events) as writer:
            started = time.monotonic()
            train, val, unreadable = self._features()
            extracted = time.monotonic()
            best = self._crossed(writer, train, unreadable) if val is None else self._validated(writer, train, val)
            times = {"features_s": extracted - started, "duration_s": time.monotonic() - started}
            writer.write("epoch", **self._record(best), **times, unreadable=unreadable)
            self._commit(writer, best)
            writer.draw()
        validation, used = (
            ("out of fold", f"{len(train.labels)} clips in {self._folds} folds")
            if val is None
            else ("validation", f"{len(train.labels)} clips to train on and {len(val.labels)} to validate with")
        )
        self._display.line(
            f"features of {used} in {times['features_s']:.1f} s, the classifier in "
            f"{times['duration_s'] - times['features_s']:.1f} s: loss {best.train_loss:.3f}  {validation}: "
            f"loss {best.val_loss:.3f}  top-1 {100 * best.val_top1:.1f} %"
            f"  (penalty {best.penalty:g}, the best of {len(PENALTIES)})"
        )
        return self._result(best.val_top1)

    @property
    def _folds(self) -> int:
        return len(set(self._samples.folds))

    def _validated(self, writer: RunWriter, train: Features, val: Features) -> _Fit:
        """Return the head by the best penalty, and write down all."""
        fits = [self._fit(penalty, train, val) for penalty in PENALTIES]
        for fit in fits:
            writer.write("penalty", **fit.to_dict())
        # The loss rather than the share of right clips, which of few clips is the same for many heads.
        return min(fits, key=lambda fit: fit.val_loss)

    def _crossed(self, writer: RunWriter, clips: Features, unreadable: Sequence[str]) -> _Fit:
        """Return the head of all clips, with what others answer for clips that they have not learned from."""
        folds = np.array(self._samples.folds, np.int64)
        if len(set(folds[clips.indices].tolist())) < FEWEST_FOLDS:
            raise InputError("folds", f"all but one have no clip that can be read: {unreadable[0]}", "repair them")
        crossed = cross_fit(
            clips.features,
            clips.labels,
            folds[clips.indices],
            penalties=PENALTIES,
            fit=self._head,
            loss=_loss,
        )
        for penalty, loss in crossed.losses.items():
            writer.write("penalty", penalty=penalty, val_loss=loss)
        head = self._head(clips.features, clips.labels, crossed.penalty)
        top1, top5 = (right / len(folds) for right in correct_counts(crossed.logits, clips.labels))
        answers = self._answers(
            dict(zip(clips.indices.tolist(), crossed.logits.tolist(), strict=True)), unreadable
        )
        train_loss = _loss(head.logits(clips.features), clips.labels)
        return _Fit(crossed.penalty, head, train_loss, _loss(crossed.logits, clips.labels), top1, top5, answers)

    def _answers(self, logits: Mapping[int, Sequence[float]], unreadable: Sequence[str]) -> tuple[FoldAnswer, ...]:
        """Return those for all clips.  logits: by index; the lines on other clips come in their order."""
        errors = iter(unreadable)
        return tuple(
            FoldAnswer(clip, fold, tuple(logits[index]))
            if index in logits
            else FoldAnswer(clip, fold, (), next(errors))
            for index, (clip, fold) in enumerate(zip(self._samples.train, self._samples.folds, strict=True))
        )

    def _features(self) -> tuple[Features, Features | None, list[str]]:
        """Return those of the training list and of the validation list, if there is one; and what cannot be read.

        That is a line for each such clip, in the order of the lists.
        """
        recipe, lists = self._recipe, self._samples
        infer = view_function(self._network, crop_size=recipe.model.crop_size, of="frame_features")
        size = max(1, recipe.evaluation.batch_crops // recipe.model.num_seg)
        unreadable: list[str] = []
        with (
            Loader(clip_settings(recipe), batch_size=size, workers=recipe.data.workers) as loader,
            self._display.bar("features", total=len(lists.train) + len(lists.val)) as bar,
        ):
            of = partial(self._features_of, infer=infer, loader=loader, bar=bar, unreadable=unreadable)
            train = of("training", lists.train)
            return train, of("validation", lists.val) if lists.val else None, unreadable

    def _features_of(
        self,
        name: str,
        samples: Sequence[Sample],
        *,
        infer: ViewFunction,
        loader: Loader,
        bar: Bar,
        unreadable: list[str],
    ) -> Features:
        """Return those of the list `name`; the lines on its clips that cannot be read join `unreadable`.

        Raises InputError for a list without a readable clip, and what `Loader.batches` raises; ModelError for
        features that are no finite numbers.
        """
        means: list[Array] = []
        indices: list[int] = []
        for batch in loader.batches(samples, mode="val"):
            indices += batch.indices.tolist()
            unreadable += batch.unreadable
            if len(batch):
                crops = batch.crops.reshape(-1, *batch.crops.shape[2:])
                rows = infer(normalise(crops, mean=IMAGENET_MEAN, std=IMAGENET_STD))
                means.append(rows.reshape(len(batch), -1, rows.shape[-1]).mean(axis=1))
            bar.advance(len(batch) + len(batch.unreadable))
        if not indices:
            raise InputError(f"{name} list", f"has no clip that can be read: {unreadable[-1]}", "repair it")
        features = np.concatenate(means)
        if not np.isfinite(features).all():
            cause = "gives features that are no finite numbers"
            raise ModelError(str(self._recipe.model.pretrained), cause, "choose other weights")
        labels = np.array([samples[index].label for index in indices], np.int64)
        return Features(features, labels, np.array(indices, np.int64))

    def _fit(self, penalty: float, train: Features, val: Features) -> _Fit:
        head = self._head(train.features, train.labels, penalty)
        logits = head.logits(val.features)
        right = correct_counts(logits, val.labels)
        top1, top5 = (count / len(self._samples.val) for count in right)
        train_loss = _loss(head.logits(train.features), train.labels)
        return _Fit(penalty, head, train_loss, _loss(logits, val.labels), top1, top5)

    def _head(self, features: Array, labels: npt.NDArray[np.int64], penalty: float) -> LinearHead:
        return fit_linear_head(
            features, labels, classes=len(self._labels), penalty=penalty, class_weights=self._class_weights
        )

    def _record(self, fit: _Fit) -> dict[str, Any]:
        """Return what the metrics say of it, as they do of an epoch."""
        values = {name: value for name, value in fit.to_dict().items() if name != "penalty"}
        folds = {"folds": self._folds} if fit.out_of_fold else {}
        return {"epoch": 1, "iteration": 0, **values, **folds, "val_averaged": False, "best_epoch": 1}

    def _commit(self, writer: RunWriter, fit: _Fit) -> None:
        weights = state_of(self._network)
        weights |= {CLASSIFIER: fit.head.weight, CLASSIFIER_BIAS: fit.head.bias}
        require_finite(weights, place="the fit of the classifier")
        state = TrainingState(
            epoch=1,
            iteration=0,
            best_epoch=1,
            best_top1=fit.val_top1,
            best_loss=fit.val_loss,
            metrics_bytes=0,
            **self._basis.digests,
            loss_scaling={},
            arithmetic=arithmetic(paddle),
        )
        spec = model_spec(self._recipe, labels=self._labels, weights_digest=weights_digest(weights))
        if fit.out_of_fold:  # before the checkpoint, with which the run is finished
            kept = OutOfFold(spec.weights_digest, self._recipe.model.num_seg, fit.out_of_fold)
            kept.write(self._run.out_of_fold)
        writer.commit(state, weights=weights, unaveraged={}, optimizer={}, spec=spec)

    def _result(self, top1: float) -> TrainingResult:
        run = self._run
        return TrainingResult(
            epochs=1,
            stopped_early=False,
            best_epoch=1,
            best_top1=top1,
            best_weights=run.best_weights,
            last_weights=run.last_weights,
        )


def _loss(logits: Array, labels: npt.NDArray[np.int64]) -> float:
    """Return the mean cross entropy of `logits` (N, C)."""
    return float(cross_entropy(paddle.to_tensor(logits), paddle.to_tensor(labels)))
