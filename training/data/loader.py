"""Batches of clips, loaded ahead by other processes, the same whatever their number.

Every choice follows from (seed, epoch, place in the list) alone, and batches come in an order that is fixed before
anything is loaded: an interrupted and resumed training sees what an uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, PptsnError, UsageError, reason_of
from pptsn.runtime.base.pulse import SILENCE_S, STALLED_REMEDY, gave_nothing
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.workers.pool import Crew, WorkerPool
from pptsn.runtime.workers.starting import STALLED
from pptsn.training.data.dataset import MODES, ClipSettings, Crops, clip_crops
from pptsn.training.ranks.environment import Member
from pptsn.training.ranks.group import Ranks

# So many batches are loaded ahead of the consumer: enough that it never waits for one, and a bound on memory.
_BATCHES_AHEAD = 2
_NAMED_UNREADABLE = 3
_PRELOAD = ("pptsn.training.data.loader", "pptsn.runtime.video.reader", "pptsn.runtime.video.folder")


@dataclass(frozen=True)
class Batch:
    """Clips for one step of training or validation; all arrays are the caller's own.

    crops: (B, T, S, S, 3) uint8 RGB; see `pptsn.training.network.pixels` for what the network takes.
    labels: (B,) int64.
    indices: (B,) int64, each clip's place in the list.
    unreadable: a line for each clip that had its turn in this batch or just before it and could not be read.
    B is the batch size in training; in validation the last batch can be smaller.  In both, a last batch without a
    row tells of unreadable clips that came after all others.
    """

    crops: Crops
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    unreadable: list[str]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class _Loaded:
    """One clip as a process gives it: crops, or why there are none."""

    index: int
    crops: Crops | None
    error: str = ""


# A clip to load: the sample, its place in the list, and the key of its random choices.
_Job: TypeAlias = "tuple[Sample, int, tuple[int, ...]]"


@dataclass(frozen=True)
class _Load:
    """What loads a clip, in whichever process."""

    mode: str
    settings: ClipSettings

    def __call__(self, job: _Job) -> Iterator[_Loaded]:
        sample, index, key = job
        try:
            yield _Loaded(index, clip_crops(sample, mode=self.mode, settings=self.settings, key=key))
        except InputError as error:
            yield _Loaded(index, None, str(error))


def batch_order(clips: int, *, mode: str, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order in which the clips of a list have their turn: shuffled in training, else the list's own."""
    if mode not in MODES:
        raise UsageError("mode", f"unknown mode {mode!r}", f"choose one of {', '.join(MODES)}")
    if mode == "val":
        return np.arange(clips, dtype=np.int64)
    return np.random.default_rng([seed, epoch]).permutation(clips).astype(np.int64)


def batch_count(clips: int, *, mode: str, batch_size: int) -> int:
    """Return how many batches an epoch over `clips` readable clips has; training drops a last, smaller one."""
    return clips // batch_size if mode == "train" else -(-clips // batch_size)


class Loader(Closing):
    """Loads batches with `workers` processes; 0 loads in this process.

    A context manager; `close` may be called twice.  Processes start at the first batch of an epoch; they end with
    the epoch, with the loader, or with this process however it ends.

    batch_size: of each rank.  member: whose share of each list is loaded; without others all of it.
    """

    def __init__(
        self,
        settings: ClipSettings,
        *,
        batch_size: int,
        workers: int,
        seed: int = 0,
        member: Member | None = None,
    ) -> None:
        if batch_size < 1:
            raise UsageError("batch_size", f"expected 1 or more, got {batch_size}")
        if workers < 0:
            raise UsageError("workers", f"expected 0 or more, got {workers}")
        self._settings, self._batch_size, self._seed = settings, batch_size, seed
        self._workers, self._member = workers, member or Member()
        self._pool: WorkerPool[_Job, _Loaded] | None = None

    def batches(self, samples: Sequence[Sample], *, mode: str, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch; leaving early is fine.

        In training the list is shuffled, and the clips of a last batch that is not full are dropped.  A clip that
        cannot be read is left out and named; the clips after it move up.  Each rank has its share of the order; in
        training some may have one batch more than others.
        Raises InputError once more than the share `max_unreadable` of the list cannot be read by this rank alone
        (see `unreadable_of_all`), PptsnError where a process dies or none can be started, UsageError where a
        training list does not fill one batch.
        """
        order = batch_order(len(samples), mode=mode, seed=self._seed, epoch=epoch)
        if mode == "train" and len(samples) < self._batch_size * self._member.count:
            ranks = "" if self._member.is_alone else f" on each of {self._member.count} ranks"
            raise UsageError("batch_size", f"is {self._batch_size}{ranks}, but the list has {len(samples)} clips")
        order = self._member.share_of(order)
        rows: list[_Loaded] = []
        unreadable: list[str] = []
        count = 0
        for clip in self._load_ahead(samples, order, mode, epoch):
            if clip.crops is None:
                count += 1
                unreadable.append(clip.error)
                self._check_share(count, len(samples), unreadable)
                continue
            rows.append(clip)
            if len(rows) == self._batch_size:
                yield self._collate(rows, samples, unreadable)
                rows, unreadable = [], []
        if mode == "train":
            rows = []
        if rows or unreadable:
            yield self._collate(rows, samples, unreadable)

    def unreadable_of_all(self, own: Sequence[str], samples: Sequence[Sample], ranks: Ranks) -> list[str]:
        """Return the lines on clips of `samples` that any of `ranks` could not read; `own` are this one's.

        Raises InputError, in all ranks, where they are more than the share `max_unreadable` of the list.
        """
        lines = [line for lines in ranks.gather(list(own)) for line in lines]
        with ranks.together():
            self._check_share(len(lines), len(samples), lines)
        return lines

    def _load_ahead(
        self, samples: Sequence[Sample], order: npt.NDArray[np.int64], mode: str, epoch: int
    ) -> Iterator[_Loaded]:
        load = _Load(mode, self._settings)
        draw = self._settings.draw_of(epoch)
        jobs = ((samples[index], index, (self._seed, draw, index)) for index in map(int, order))
        if not self._workers:
            for job in jobs:
                yield from load(job)
            return
        self.close()  # an epoch that was left early
        with self._processes(load, jobs) as self._pool:
            for clip in self._pool:
                # What a process gives lies in memory that it uses again.
                yield clip if clip.crops is None else replace(clip, crops=clip.crops.copy())

    def _processes(self, load: _Load, jobs: Iterator[_Job]) -> WorkerPool[_Job, _Loaded]:
        settings = self._settings
        crew = Crew(
            count=self._workers,
            thing="data loaders",
            slots=max(2, -(-_BATCHES_AHEAD * self._batch_size // self._workers)),
            slot_bytes=3 * settings.num_seg * settings.crop_size**2,
            cores=1,
            preload=_PRELOAD,
        )
        try:
            return WorkerPool(load, jobs, crew, is_last=lambda clip: True, crashed=_died)
        except (OSError, EOFError) as error:
            cause = f"no worker process can be started ({reason_of(error)})"
            raise PptsnError("data loading", cause, "use fewer workers, or 0") from error

    def _check_share(self, unreadable: int, clips: int, examples: list[str]) -> None:
        if unreadable <= self._settings.max_unreadable * clips:
            return
        named = ", ".join(examples[-_NAMED_UNREADABLE:])
        allowed = f"{100 * self._settings.max_unreadable:g} %"
        raise InputError(
            "data loading",
            f"{unreadable} of {clips} clips cannot be read, more than {allowed}, among them: {named}",
            "repair the list, or allow more with data.max_unreadable",
        )

    def _collate(self, rows: list[_Loaded], samples: Sequence[Sample], unreadable: list[str]) -> Batch:
        settings = self._settings
        size, frames = settings.crop_size, settings.num_seg
        crops = np.empty((len(rows), frames, size, size, 3), np.uint8)
        for row, out in zip(rows, crops, strict=True):
            out[...] = cast(Crops, row.crops)
        indices = np.array([row.index for row in rows], np.int64)
        labels = np.array([samples[row.index].label for row in rows], np.int64)
        return Batch(crops, labels, indices, unreadable)

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()


def full_batches(batches: Iterable[Batch], unreadable: list[str]) -> Iterator[Batch]:
    """Yield those of an epoch of training that have clips; the lines on unreadable ones join `unreadable`."""
    for batch in batches:
        unreadable += batch.unreadable
        if len(batch):
            yield batch


def _died(job: _Job, signal_name: str | None) -> _Loaded:
    """Give the epoch up: without the clip, training would not see what it sees when it is run again."""
    if signal_name == STALLED:
        raise PptsnError(job[0].path, gave_nothing(SILENCE_S), f"{STALLED_REMEDY}; then go on with --resume")
    raise PptsnError("data loading", "a worker process died, out of memory perhaps", "use fewer workers")
