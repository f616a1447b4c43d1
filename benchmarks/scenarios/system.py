"""The system under test: samples, a queue of them, and one thread that runs the engine on what waits there."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from pptsn.benchmarks.measure.engines import cut_crops
from pptsn.runtime.base.closing import Closing
from pptsn.runtime.decoding.clips import ClipEnd, ClipFrame, clip_frames
from pptsn.runtime.engines.base import Batch, Engine
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.model.spec import ModelSpec

# Frames to choose from, and pictures that they are made of.
_FRAMES = 16
_PICTURES = 16


@dataclass(frozen=True)
class SampleLibrary:
    """Frames to choose from; one of them is a sample.

    crops: (frames, crops of a frame, S, S, 3) uint8 RGB.  views: the view plan they were cut by.
    origin: what is on them, for people.
    """

    crops: Frame
    views: str
    origin: str

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def crops_a_frame(self) -> int:
        """How many crops the engine infers for one frame."""
        return int(self.crops.shape[1])


def drawn_samples(spec: ModelSpec, views: str) -> SampleLibrary:
    """Return frames of drawn pictures, the same on every machine.  Raises UsageError for an unknown plan."""
    crops_a_frame = view_count(views, mirror_in_graph=spec.mirror)
    pictures = drawn_crops(_PICTURES, spec.crop_size)
    numbers = np.arange(_FRAMES * crops_a_frame).reshape(_FRAMES, crops_a_frame) % _PICTURES
    return SampleLibrary(np.ascontiguousarray(pictures[numbers]), views, "drawn pictures")


def clip_samples(clip: str | Path, engine: Engine, views: str, *, segments: int) -> SampleLibrary:
    """Return the frames that classifying `clip` looks at.  Raises InputError and UsageError as that does."""
    frames = []
    for item in clip_frames([clip], engine.spec, segments=segments, rule="centre"):
        if isinstance(item, ClipFrame):
            frames.append(item.pixels)
        elif isinstance(item, ClipEnd) and item.error is not None:
            raise item.error
    crops = cut_crops(frames, engine, views)
    size = engine.spec.crop_size
    return SampleLibrary(crops.reshape(len(frames), -1, size, size, 3), views, f"frames of {Path(clip).name}")


# Is told the sample's id, and when it was done (time.perf_counter, in seconds), in the thread of the system.
Completed: TypeAlias = Callable[[int, float], None]


class SystemFailure(Exception):  # noqa: N818 - what happened to the system, rather than a mistake of the caller
    """The engine failed, or the run was given up; `str()` says why, and the cause is its cause."""


@dataclass(frozen=True)
class Sample:
    """A request for one frame.  id: the driver's name for it.  index: which frame of the library."""

    id: int
    index: int


@dataclass
class _Waiting:
    """A sample in the queue.  taken: how many of its crops already lie in a batch."""

    sample: Sample
    completed: Completed
    taken: int = 0


@dataclass(frozen=True)
class _Flight:
    """A batch that the engine works on, and the samples whose last crop is in it."""

    batch: Batch
    finishing: list[_Waiting]


class SystemUnderTest(Closing):
    """Infers samples in the order in which they come.

    Its thread fills a batch with the crops of as many samples as wait, and never waits for more: a sample that
    comes alone runs at once, and many that come together share batches, as in the product.  A sample's crops may
    lie in two batches; it is complete with the later one.

    Once the engine has failed, every sample that waits or comes is reported complete at once, so that no driver
    waits forever; `check` raises the error, and drivers call it before they believe a time.

    batch: the most crops a call; None takes the engine's own number.  Raises UsageError where the engine has no
    room for so many, as that of a plan.
    """

    def __init__(self, engine: Engine, library: SampleLibrary, *, batch: int | None = None) -> None:
        self.library = library
        self.batch = batch or engine.batch_size
        engine.expect(library.crops_a_frame, batch)
        self._batches = engine.new_batches(batch)
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._idle = True
        self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="system under test", daemon=True)
        self._thread.start()

    def issue(self, samples: Sequence[Sample], completed: Completed) -> None:
        """Put `samples` in the queue and return; `completed` is called once for each of them."""
        with self._changed:
            if self._failure is None:
                self._waiting.extend(_Waiting(sample, completed) for sample in samples)
                self._changed.notify_all()
                return
        _report([_Waiting(sample, completed) for sample in samples])

    def check(self) -> None:
        """Raise SystemFailure where the engine failed or the system was told to give up."""
        if self._failure is not None:
            text = f"{type(self._failure).__name__}: {self._failure}"
            raise SystemFailure(" ".join(text.split())) from self._failure

    def give_up(self, reason: BaseException) -> None:
        """Answer every sample at once from now on, without the engine, as if it had failed for `reason`."""
        with self._changed:
            self._failure = self._failure or reason
            abandoned = list(self._waiting)
            self._waiting.clear()
        _report(abandoned)

    def discard(self) -> None:
        """Forget what waits, without completing it, and return when nothing is in flight any more."""
        with self._changed:
            self._waiting.clear()
            self._changed.wait_for(lambda: self._idle and not self._waiting)

    def close(self) -> None:
        """End the thread, and give the engine's batches back; the engine stays open."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()
        for batch in self._batches:
            batch.close()

    def _run(self) -> None:
        flights: deque[_Flight] = deque()
        try:
            self._work(flights)
        except BaseException as error:  # whatever it is, the driver shall see it
            self.give_up(error)
            for flight in flights:
                _report(flight.finishing)
        with self._changed:
            self._idle = True
            self._changed.notify_all()

    def _work(self, flights: deque[_Flight]) -> None:
        free = deque(self._batches)
        while (rows := self._take_crops(self.batch if free else 0, wait=not flights)) is not None:
            if rows:
                batch = free.popleft()
                finishing = [item for item, crop in rows if crop == self.library.crops_a_frame - 1]
                flights.append(_Flight(batch, finishing))
                for row, (item, crop) in enumerate(rows):
                    batch.crops[row] = self.library.crops[item.sample.index, crop]
                batch.submit(len(rows))
            if flights and (not free or not rows):
                # It leaves the queue of flights once it is collected: what fails in here is reported by `_run`.
                flights[0].batch.collect()
                done = flights.popleft()
                free.append(done.batch)
                _report(done.finishing)

    def _take_crops(self, most: int, *, wait: bool) -> list[tuple[_Waiting, int]] | None:
        """Return up to `most` crops as (sample, number of the crop); None once the system is closed.

        wait: for a sample, where there is none.
        """
        rows: list[tuple[_Waiting, int]] = []
        with self._changed:
            if wait:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                self._idle = False
            while self._waiting and len(rows) < most:
                item = self._waiting[0]
                rows.append((item, item.taken))
                item.taken += 1
                if item.taken == self.library.crops_a_frame:
                    self._waiting.popleft()
        return None if self._closed else rows


def _report(items: Sequence[_Waiting]) -> None:
    now_s = time.perf_counter()
    for item in items:
        item.completed(item.sample.id, now_s)
