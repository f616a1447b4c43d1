"""Batches that an engine makes once, lends in sets, and takes back; and inference through such a set."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from typing import Generic, TypeVar

import numpy as np

from pptsn.runtime.engines.base import Batch, Logits, Rows
from pptsn.runtime.frames.preprocess import Frame

AnyBatch = TypeVar("AnyBatch", bound=Batch)


class BatchPool(Generic[AnyBatch]):
    """The batches of one engine.

    new_batch: makes one.
    made: all of them, in the order in which they were made.
    """

    def __init__(self, new_batch: Callable[[], AnyBatch]) -> None:
        self._new_batch = new_batch
        self.made: list[AnyBatch] = []
        self._free: list[AnyBatch] = []

    @property
    def all_free(self) -> bool:
        """Whether nobody has one."""
        return len(self._free) == len(self.made)

    def lend(self, count: int) -> tuple[AnyBatch, ...]:
        """Return `count` batches that nobody has; those that are missing are made."""
        while len(self._free) < count:  # several callers at a time, each in the middle of its work
            batch = self._new_batch()
            self.made.append(batch)
            self._free.append(batch)
        lent = tuple(self._free[:count])
        del self._free[:count]
        for batch in lent:
            batch.features = False  # whatever the last borrower asked for
        return lent

    def take_back(self, batch: AnyBatch) -> None:
        """Take a batch back; a second time does nothing."""
        if batch in self.made and batch not in self._free:
            self._free.append(batch)
            self._free.sort(key=self.made.index)  # so that short inputs run on the first, which knows their shapes

    def clear(self) -> None:
        """Forget all batches."""
        self.made.clear()
        self._free.clear()


def inferred(filled: Iterable[tuple[Batch, int]], *, in_flight: int) -> Iterator[Rows]:
    """Submit batches as they come, each with the number of its crops, and yield their rows in the same order.

    in_flight: how many are submitted before the oldest is collected: with as many batches, used in turn, the next
        one is free when it is asked for.
    """
    waiting: deque[Batch] = deque()
    for batch, count in filled:
        batch.submit(count)
        waiting.append(batch)
        if len(waiting) == in_flight:
            yield waiting.popleft().collect()
    while waiting:
        yield waiting.popleft().collect()


def infer_through(batches: Sequence[Batch], crops: Frame) -> Logits:
    """Return the logits (N, C) of `crops` (N, S, S, 3), a full batch at a time, with all batches in flight."""
    return np.concatenate(list(inferred(_filled(batches, crops), in_flight=len(batches))))


def _filled(batches: Sequence[Batch], crops: Frame) -> Iterator[tuple[Batch, int]]:
    rows = len(batches[0].crops)
    for batch, start in zip(cycle(batches), range(0, len(crops), rows), strict=False):
        piece = crops[start : start + rows]
        batch.crops[: len(piece)] = piece
        yield batch, len(piece)
