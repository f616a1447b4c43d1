"""The folder of a training run, and checkpoints in it that a kill at any moment leaves whole.

    OUTPUT/recipe.yaml              the recipe, defaults included
    OUTPUT/.lock                    while a training runs
    OUTPUT/metrics.jsonl, metrics.png
    OUTPUT/profile.json             Paddle's trace of the steps that were profiled
    OUTPUT/out-of-fold.json         of a cross-validation, see `pptsn.training.checkpoint.out_of_fold`
    OUTPUT/tensorboard/             an event file, where the recipe asks for it
    OUTPUT/rank-logs/               what ranks say beside rank 0, see `pptsn.training.ranks.logs`
    OUTPUT/checkpoints/epoch-0007/  weights.pdparams, weights.pdopt, weights.spec.json, state.json,
                                    where weights are averaged weights.unaveraged.pdparams,
                                    where a second network is trained beside it weights.peer.pdparams
    OUTPUT/best, OUTPUT/last        links to folders in checkpoints/
    OUTPUT/best.pdparams, best.spec.json, last.pdparams, last.spec.json    links through those two

One rename makes a checkpoint: its folder is written under a hidden name and then renamed.  The newest folder is
where a run goes on.  The links `best` and `last` are changed after it, each by one rename, so that weights and
spec always belong together; they are for people and for `pptsn export`, and are repaired on resuming.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from pptsn.runtime.base.errors import InputError, ModelError, PptsnError, UsageError, reason_of
from pptsn.runtime.base.fields import wrong_field
from pptsn.runtime.base.files import atomic_folder, folder_made, read_small, write_text
from pptsn.runtime.base.temporary import clear_leftovers, hidden_sibling, is_temporary, lock_file
from pptsn.runtime.model.spec import MOST_SPEC_BYTES, ModelSpec
from pptsn.training.checkpoint.pickles import Array, read_pickle
from pptsn.training.network.weights import Checkpoint, read_checkpoint, save_weights, weights_digest
from pptsn.training.ranks.logs import LOGS_NAME
from pptsn.training.recipe import RECIPE_NAME, Recipe, changed_keys, load_recipe

WEIGHTS_NAME = "weights.pdparams"
_UNAVERAGED_NAME = "weights.unaveraged.pdparams"
_PEER_NAME = "weights.peer.pdparams"
_OPTIMIZER_NAME = "weights.pdopt"
_SPEC_NAME = "weights.spec.json"
_STATE_NAME = "state.json"
_LOCK_NAME = ".lock"
# What may be there before a run is.
_NO_RUNS = (_LOCK_NAME, LOGS_NAME)
_EPOCH_FOLDER = re.compile(r"epoch-(\d{4,})")


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Where a run stands after a whole epoch, beside weights and velocities.

    epoch: epochs done.  iteration: steps done.  best_epoch, best_top1, best_loss: by
    validation: the epoch counted from 1, its top-1 in 0..1, its loss.
    metrics_bytes: length of `metrics.jsonl`.  data_digest: of the lists.
    teacher_digest, int8_digest: of the file of the teacher, and of that which training rounds like, where there is
    one.
    peer_digest, peer_loss_scaling: of the second network, where there is one.
    loss_scaling: of automatic mixed precision; empty without it.
    ranks: how many trained it.
    unaveraged_digest: of the weights that steps go on with, where those of the checkpoint are a moving average of
    them; "" where they are the same.
    arithmetic: what the last bits depend on, see `pptsn.runtime.engines.paddle.library`; empty in older runs.
    Random numbers are not part of it: all of them follow from (seed, epoch, iteration or place in the list).
    """

    epoch: int
    iteration: int
    best_epoch: int
    best_top1: float
    best_loss: float
    metrics_bytes: int
    data_digest: str
    loss_scaling: Mapping[str, float]
    arithmetic: Mapping[str, str] = field(default_factory=dict)
    ranks: Annotated[int, Meta(gt=0, description="a positive number of ranks")] = 1
    unaveraged_digest: str = ""
    teacher_digest: str = ""
    peer_digest: str = ""
    peer_loss_scaling: Mapping[str, float] = field(default_factory=dict)
    int8_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """A checkpoint to go on from.

    weights: what was validated.  unaveraged: what steps go on with, where that is something else.
    peer: those of the second network, where there is one.
    optimizer: the velocities as `Learner.velocities` gave them.
    """

    state: TrainingState
    weights: Checkpoint
    unaveraged: Checkpoint | None
    peer: Checkpoint | None
    optimizer: Mapping[str, Array]
    folder: Path


class RunFolder:
    """The folder of one training run."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.metrics = self.root / "metrics.jsonl"
        self.plot = self.root / "metrics.png"
        self.trace = self.root / "profile.json"
        self.out_of_fold = self.root / "out-of-fold.json"
        self.events = self.root / "tensorboard"
        self._checkpoints = self.root / "checkpoints"
        self._is_new = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other trainings out of the folder in the block, and make it if need be.

        A process that was killed keeps nobody out.  What a start wrote that failed before its first step is
        removed: nothing can go on from it, and it would be in the way of the next try.
        Raises UsageError where another training runs in it, InputError where it cannot be written.
        """
        self._check_place()
        with ExitStack() as held:
            try:
                held.enter_context(folder_made(self.root))
                held.enter_context(lock_file(self.root / _LOCK_NAME))
            except BlockingIOError:
                cause = f"another training runs in it{self._who_holds_it()}"
                raise UsageError(self.root, cause, "wait for its end, or choose another --output") from None
            except OSError as error:
                cause = f"cannot be written ({reason_of(error)})"
                raise InputError(self.root, cause, "choose a writable place with room") from error
            try:
                yield
            except BaseException:  # Ctrl-C, or a memory that is full, among them
                self._undo_start()
                raise

    def _undo_start(self) -> None:
        """Remove what was written since `open` made the folder ready for a new run, if no step was done."""
        logged = self.metrics.exists() and self.metrics.stat().st_size > 0  # the first step is
        if self._is_new and not logged and not self._epochs():
            for path in (self.root / RECIPE_NAME, self.metrics, self.plot):
                path.unlink(missing_ok=True)

    def _who_holds_it(self) -> str:
        with suppress(OSError, ValueError):  # it has just ended
            who = (self.root / _LOCK_NAME).read_text(encoding="utf-8")
            return f" ({who})" if who else ""
        return ""

    def _check_place(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise InputError(self.root, "is a file, expected a folder for the run", "choose another place")

    def open(self, recipe: Recipe, *, resume: bool) -> Resumption | None:
        """Make the folder ready for `recipe`, and return what to go on from; None is a new start.

        resume: go on with the run that lies there, if there is one.
        Raises UsageError where the folder is not empty and `resume` is not set, where it holds no training run,
        or where its recipe differs; ModelError where its newest checkpoint is damaged.
        """
        self._check_place()
        present = list(self.root.iterdir()) if self.root.is_dir() else []
        content = [path for path in present if path.name not in _NO_RUNS and not is_temporary(path)]
        if content and not resume:
            raise UsageError(self.root, "is not empty", "choose another --output, or go on with --resume")
        if content:
            self._check_recipe(recipe)
        else:
            self._is_new = True
            write_text(self.root / RECIPE_NAME, recipe.to_yaml())
        for folder in (self.root, self._checkpoints):
            clear_leftovers(folder)
        newest = max(self._epochs(), default=None)
        if newest is None:
            return None
        resumption = self._read(newest)
        self._point(last=newest, best=resumption.state.best_epoch)
        return resumption

    def commit(
        self,
        state: TrainingState,
        *,
        weights: Mapping[str, Array],
        optimizer: Mapping[str, Array],
        spec: ModelSpec,
        unaveraged: Mapping[str, Array] | None = None,
        peer: Mapping[str, Array] | None = None,
    ) -> None:
        """Write the checkpoint of `state.epoch`, point `last` and `best` where `state` says, drop all others.

        unaveraged: what steps go on with, where `weights` are a moving average of them.
        peer: the weights of the second network, where there is one.
        """
        with atomic_folder(self._folder(state.epoch)) as folder:
            save_weights(weights, folder / WEIGHTS_NAME)
            for others, name in ((unaveraged, _UNAVERAGED_NAME), (peer, _PEER_NAME)):
                if others:
                    save_weights(others, folder / name)
            save_weights(optimizer, folder / _OPTIMIZER_NAME)
            write_text(folder / _SPEC_NAME, spec.to_json())
            write_text(folder / _STATE_NAME, json.dumps(dataclasses.asdict(state), indent=1))
        self._point(last=state.epoch, best=state.best_epoch)

    def keep_temperature(self, temperature: float, *, digest: str) -> None:
        """Write into the spec of the best weights what their logits are to be divided by for scores.

        digest: of the weights that it was found for.  Raises InputError where the spec cannot be written, and what
        `best_spec` raises.
        """
        path = self._best_spec_path()
        spec = _spec_at(path, digest=digest, remedy="report on the run again")
        write_text(path, dataclasses.replace(spec, temperature=temperature).to_json())

    def best_spec(self, *, digest: str, remedy: str = "report on the run again") -> ModelSpec:
        """Return the spec of the best weights.

        digest: of the weights that it should be of; a training that still runs may have better ones by now.
        remedy: what helps where it is of others.
        Raises InputError where it cannot be read or is of other weights, ModelError for a damaged one.
        """
        return _spec_at(self._best_spec_path(), digest=digest, remedy=remedy)

    def _best_spec_path(self) -> Path:
        """Return where it lies, past the links, which a training that runs changes."""
        return (self.root / "best.spec.json").resolve()

    @property
    def best_weights(self) -> Path:
        """Where the weights of the best epoch lie."""
        return self.root / "best.pdparams"

    @property
    def last_weights(self) -> Path:
        """Where the weights of the last epoch lie."""
        return self.root / "last.pdparams"

    @property
    def epochs_done(self) -> int:
        """How many epochs are done, by the checkpoints; 0 where there are none."""
        return max(self._epochs(), default=0)

    def _folder(self, epoch: int) -> Path:
        return self._checkpoints / f"epoch-{epoch:04d}"

    def _epochs(self) -> list[int]:
        """Return the epochs that have a checkpoint."""
        if not self._checkpoints.is_dir():
            return []
        matches = (_EPOCH_FOLDER.fullmatch(path.name) for path in self._checkpoints.iterdir())
        return [int(match[1]) for match in matches if match]

    def _check_recipe(self, recipe: Recipe) -> None:
        stored = self.root / RECIPE_NAME
        if not stored.is_file():
            raise UsageError(self.root, f"holds other files and no training run ({RECIPE_NAME})", "choose another")
        changes = changed_keys(load_recipe(stored), recipe)
        if changes:
            cause = f"was started with another recipe: {', '.join(changes)}"
            raise UsageError(self.root, cause, "resume with the recipe it has, or choose another --output")

    def _read(self, epoch: int) -> Resumption:
        folder = self._folder(epoch)
        remedy = "remove this folder to go on from the checkpoint before it, or start anew"
        try:
            state = TrainingState(**json.loads(read_small(folder / _STATE_NAME, MOST_SPEC_BYTES)))
            if wrong := wrong_field(state):
                raise ValueError(wrong)
            text = read_small(folder / _SPEC_NAME, MOST_SPEC_BYTES)
            spec = ModelSpec.from_json(text, source=folder / _SPEC_NAME)
            weights = read_checkpoint(folder / WEIGHTS_NAME)
            unaveraged = read_checkpoint(folder / _UNAVERAGED_NAME) if state.unaveraged_digest else None
            peer = read_checkpoint(folder / _PEER_NAME) if state.peer_digest else None
            optimizer = read_pickle(folder / _OPTIMIZER_NAME)
        except (OSError, RecursionError, ValueError, TypeError) as error:
            raise ModelError(folder, f"is a damaged checkpoint ({error})", remedy) from error
        except PptsnError as error:
            raise ModelError(folder, f"is a damaged checkpoint ({error.thing}: {error.cause})", remedy) from error
        for found, digest in (
            (weights, spec.weights_digest),
            (unaveraged, state.unaveraged_digest),
            (peer, state.peer_digest),
        ):
            if found is not None and weights_digest(found.arrays) != digest:
                cause = f"its {found.path.name} is not what was saved (the digest differs)"
                raise ModelError(folder, cause, remedy)
        return Resumption(
            state=state, weights=weights, unaveraged=unaveraged, peer=peer, optimizer=optimizer, folder=folder
        )

    def _point(self, *, last: int, best: int) -> None:
        """Link `last` and `best` to their checkpoints; then no other is needed, so the others go."""
        for name, epoch in (("last", last), ("best", best)):
            _link(self.root / name, self._folder(epoch))
            for file in (WEIGHTS_NAME, _SPEC_NAME):
                _link(self.root / f"{name}{file.removeprefix('weights')}", self.root / name / file)
        for epoch in set(self._epochs()) - {last, best}:
            _remove(self._folder(epoch))


def _spec_at(path: Path, *, digest: str, remedy: str) -> ModelSpec:
    try:
        text = read_small(path, MOST_SPEC_BYTES)
    except OSError as error:
        raise InputError(path, f"cannot be read ({reason_of(error).lower()})") from error
    spec = ModelSpec.from_json(text, source=path)
    if spec.weights_digest != digest:
        raise InputError(path, "is of other weights than these by now", remedy)
    return spec


def _remove(folder: Path) -> None:
    """Remove `folder`, which nobody ever sees half removed."""
    hidden = hidden_sibling(folder, "tmp")
    folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _link(link: Path, target: Path) -> None:
    """Make `link` point to `target` by one rename, relative, so that the run's folder can be moved."""
    content = os.path.relpath(target, link.parent)
    if link.is_symlink() and link.readlink() == Path(content):
        return
    temporary = hidden_sibling(link, "tmp")
    temporary.symlink_to(content)
    os.replace(temporary, link)
