"""Batches of clips, loaded ahead by other processes, the same whatever their number.

Every choice follows from (seed, epoch, place in the list) alone, and batches come in an order that is fixed before
anything is loaded: an interrupted and resumed training sees what an uninterrupted one sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import InputError, PptsnError, UsageError
from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.frames.preprocess import normalise
from pptsn.training.data.dataset import MODES, ClipSettings, Crops, clip_crops
from pptsn.training.data.workers import worker_pool

# So many batches are loaded ahead of the consumer: enough that it never waits for one, and a bound on memory.
_BATCHES_AHEAD = 2
_NAMED_UNREADABLE = 3


@dataclass(frozen=True)
class Batch:
    """Clips for one step of training or validation; all arrays are the caller's own.

    crops: (B, T, 3, S, S) float32, normalised RGB.
    labels: (B,) int64.
    indices: (B,) int64, each clip's place in the list.
    unreadable: a line for each clip that had its turn in this batch or just before it and could not be read.
    B is the batch size in training.  In validation the last batch can be smaller, and has no rows at all where
    unreadable clips alone were left.
    """

    crops: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    unreadable: list[str]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class _Loaded:
    """One clip as a worker returns it: crops, uint8 because that is a quarter to copy, or why there are none."""

    index: int
    crops: Crops | None
    error: str = ""


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
    """Loads batches with `workers` processes, kept from epoch to epoch; 0 loads in this process.

    A context manager; `close` may be called twice.  Processes start at the first batch and end with the loader,
    or with this process however it ends.
    """

    def __init__(self, settings: ClipSettings, *, batch_size: int, workers: int, seed: int = 0) -> None:
        if batch_size < 1:
            raise UsageError("batch_size", f"expected 1 or more, got {batch_size}")
        if workers < 0:
            raise UsageError("workers", f"expected 0 or more, got {workers}")
        self._settings, self._batch_size, self._seed = settings, batch_size, seed
        self._executor: Executor = worker_pool(workers) if workers else _InlineExecutor()
        self._clips_ahead = max(_BATCHES_AHEAD * batch_size, 2 * workers) if workers else 0

    def batches(self, samples: Sequence[Sample], *, mode: str, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch; leaving early is fine.

        In training the list is shuffled and a last batch that is not full is dropped.  A clip that cannot be
        read is left out and named; the clips after it move up.
        Raises InputError once more than the share `max_unreadable` of the list cannot be read, PptsnError where a
        worker process dies, UsageError where a training list does not fill one batch.
        """
        order = batch_order(len(samples), mode=mode, seed=self._seed, epoch=epoch)
        if mode == "train" and len(samples) < self._batch_size:
            raise UsageError("batch_size", f"is {self._batch_size}, but the list has {len(samples)} clips")
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
        if mode == "val" and (rows or unreadable):
            yield self._collate(rows, samples, unreadable)

    def _load_ahead(
        self, samples: Sequence[Sample], order: npt.NDArray[np.int64], mode: str, epoch: int
    ) -> Iterator[_Loaded]:
        pending: deque[Future[_Loaded]] = deque()
        try:
            for index in map(int, order):
                key = (self._seed, epoch, index)
                pending.append(self._executor.submit(_load, samples[index], index, mode, self._settings, key))
                if len(pending) > self._clips_ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise PptsnError(
                "data loading", "a worker process died, out of memory perhaps", "use fewer workers"
            ) from error
        finally:
            for future in pending:
                future.cancel()

    def _check_share(self, unreadable: int, clips: int, examples: list[str]) -> None:
        if unreadable <= self._settings.max_unreadable * clips:
            return
        named = ", ".join(examples[-_NAMED_UNREADABLE:])
        allowed = f"{100 * self._settings.max_unreadable:g} %"
        raise InputError(
            "data loading",
            f"{unreadable} of {clips} clips cannot be read, more than {allowed}, among them: {named}",
            "repair the list, or allow more with max_unreadable",
        )

    def _collate(self, rows: list[_Loaded], samples: Sequence[Sample], unreadable: list[str]) -> Batch:
        settings = self._settings
        size, frames = settings.crop_size, settings.num_seg
        crops = np.empty((len(rows), frames, size, size, 3), np.uint8)
        for row, out in zip(rows, crops, strict=True):
            out[...] = cast(Crops, row.crops)
        pixels = normalise(crops.reshape(-1, size, size, 3), mean=settings.mean, std=settings.std)
        indices = np.array([row.index for row in rows], np.int64)
        labels = np.array([samples[row.index].label for row in rows], np.int64)
        return Batch(pixels.reshape(len(rows), frames, 3, size, size), labels, indices, unreadable)

    def close(self) -> None:
        """End the worker processes."""
        self._executor.shutdown(cancel_futures=True)


def _load(sample: Sample, index: int, mode: str, settings: ClipSettings, key: tuple[int, ...]) -> _Loaded:
    """Load one clip, in whichever process."""
    try:
        return _Loaded(index, clip_crops(sample, mode=mode, settings=settings, key=key))
    except InputError as error:
        return _Loaded(index, None, str(error))


class _InlineExecutor(Executor):
    """Does what it is given at once, in this process."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*args, **options))
        return future
