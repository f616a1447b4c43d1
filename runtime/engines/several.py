"""Several devices as one engine: each takes a batch in turn, and one that fails is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TypeAlias

import numpy as np

from pptsn.runtime.engines.base import Batch, Engine, Logits, Rows
from pptsn.runtime.engines.device import DeviceError
from pptsn.runtime.frames.preprocess import Frame

# Waits for the rows of crops that a device has.
_Finish: TypeAlias = Callable[[], Rows]


class SeveralEngines(Engine):
    """The same model on several devices.

    Batches are lent of each engine in turn, so that whoever fills and collects them in their order keeps all
    devices busy and gets the logits in that order.  A device that raises DeviceError is left out from then on: a
    line in `notes` says so, and its crops, those under way included, go to the others.  Where none is left, that
    is a DeviceError.

    engines: opened, of one backend; closed with this one.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        first = engines[0]
        limits = [engine.largest_batch for engine in engines if engine.largest_batch is not None]
        self.spec, self.threads, self.features = first.spec, first.threads, first.features
        self.batch_size = min(engine.batch_size for engine in engines)
        self.largest_batch = min(limits, default=None)
        self.identity = replace(first.identity, device=",".join(engine.identity.device for engine in engines))
        self.notes = _joined(engine.notes for engine in engines)
        self.details = _joined(engine.details for engine in engines)
        self._lanes = [Lane(engine) for engine in engines]
        self._next = 0
        self._last: DeviceError | None = None

    def expect(self, frame_crops: int, batch_size: int | None = None) -> None:
        """Tell each of them; one that fails over it is left out."""
        for lane in self._working():
            try:
                lane.engine.expect(frame_crops, batch_size)
            except DeviceError as error:
                self.leave_out(lane, error)

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        lent: list[list[Batch]] = []
        for lane in self._working():
            try:
                lent.append([_LaneBatch(self, lane, batch) for batch in lane.lend(batch_size)])
            except DeviceError as error:
                self.leave_out(lane, error)
        self.details = _joined(lane.engine.details for lane in self._working())
        return tuple(batch for turn in zip_longest(*lent) for batch in turn if batch is not None)

    def _infer(self, crops: Frame) -> Logits:
        return self.finish(self.start_anywhere(crops), crops)

    def start_anywhere(self, crops: Frame, *, features: bool = False) -> Work:
        """Give `crops`, which stay as they are until they are finished, to the next device that works."""
        while True:
            working = self._working()
            lane = working[self._next % len(working)]
            self._next += 1
            try:
                return Work(lane, lane.infer(crops, features=features))
            except DeviceError as error:
                self.leave_out(lane, error)

    def finish(self, work: Work, crops: Frame, *, features: bool = False) -> Rows:
        """Return the rows of `crops`, which are under way as `work`."""
        while True:
            try:
                return work.finish()
            except DeviceError as error:
                self.leave_out(work.lane, error)
                work = self.start_anywhere(crops, features=features)

    def leave_out(self, lane: Lane, error: DeviceError) -> None:
        """Use the device of `lane` no more; raises DeviceError where no other is left."""
        if not lane.failed:
            lane.failed = True
            self.notes += (f"{error.thing}: {error.cause}; it is left out, and its work goes to the others",)
            self._last = error
        self._working()

    def _working(self) -> list[Lane]:
        """Return those that did not fail; raises DeviceError where all did."""
        working = [lane for lane in self._lanes if not lane.failed]
        if not working and self._last is not None:
            cause = f"all of them failed, the last one so: {self._last.cause}"
            raise DeviceError(f"device {self.identity.device}", cause, self._last.remedy) from self._last
        return working

    def close(self) -> None:
        """Close all engines; of a device that failed, as far as that goes."""
        for lane in self._lanes:
            with suppress(DeviceError):
                lane.close()


def _joined(lines: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the lines of several engines, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(lines)))


@dataclass(frozen=True)
class Work:
    """Crops that are under way.  lane: has them.  finish: waits for their rows."""

    lane: Lane
    finish: _Finish


class Lane:
    """One of the engines.  failed: it raised DeviceError, and is not to be used.

    An engine that lends a single batch computes while its caller waits: it gets a thread, in which all of its work
    is done, and lends that batch twice, so that one is filled meanwhile.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.failed = False
        self._thread: ThreadPoolExecutor | None = None

    def lend(self, batch_size: int) -> tuple[Batch, ...]:
        """Return the engine's batches, two at least."""
        batches = self.engine.new_batches(batch_size)
        if len(batches) > 1:
            return batches
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"engine {self.engine.identity.device}")
        return batches + self.engine.new_batches(batch_size)

    def start(self, batch: Batch, count: int) -> _Finish:
        """Start the inference of a batch that it lent."""
        if self._thread is not None:
            return self._thread.submit(_inferred, batch, count).result
        batch.submit(count)
        return batch.collect

    def infer(self, crops: Frame, *, features: bool) -> _Finish:
        """Start the inference of crops that are in no batch of its own."""
        if self._thread is not None:
            return self._thread.submit(_rows, self.engine, crops, features).result
        rows = _rows(self.engine, crops, features)
        return lambda: rows

    def close(self) -> None:
        """Close the engine once its thread has ended."""
        if self._thread is not None:
            self._thread.shutdown()
        self.engine.close()


def _inferred(batch: Batch, count: int) -> Rows:
    batch.submit(count)
    return batch.collect()


def _rows(engine: Engine, crops: Frame, features: bool) -> Rows:
    return np.concatenate(engine.infer_with_features(crops), axis=1) if features else engine.infer(crops)


class _LaneBatch(Batch):
    """A batch of one of the engines, of which any may have to compute it."""

    def __init__(self, engines: SeveralEngines, lane: Lane, batch: Batch) -> None:
        super().__init__(batch.crops)
        self._engines, self._lane, self._batch = engines, lane, batch
        self._work: Work | None = None

    def _submit(self, count: int) -> None:
        self._batch.features = self.features
        if not self._lane.failed:
            try:
                self._work = Work(self._lane, self._lane.start(self._batch, count))
                return
            except DeviceError as error:
                self._engines.leave_out(self._lane, error)
        self._work = self._engines.start_anywhere(self.crops[:count], features=self.features)

    def _collect(self, count: int) -> Rows:
        work, self._work = self._work, None
        if work is None:
            raise ValueError("the batch is closed")
        return self._engines.finish(work, self.crops[:count], features=self.features)

    def close(self) -> None:
        """Wait for work in flight, drop its result, and give the batch back."""
        work, self._work, self._submitted = self._work, None, 0
        with suppress(DeviceError):
            if work is not None:
                work.finish()
        with suppress(DeviceError):
            self._batch.close()
