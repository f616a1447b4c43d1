"""A batch that a thread of its own carries to the GPU and back, while another one is filled or computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from pptsn.runtime.base.errors import PptsnError, engine_closed
from pptsn.runtime.engines.base import Batch, Rows
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.host_memory import HostCrops
from pptsn.runtime.engines.onnxruntime.sessions import gpu_error
from pptsn.runtime.engines.onnxruntime.shapes import Shape, padded
from pptsn.runtime.frames.preprocess import Frame


class Runner(Protocol):
    """What runs a number of crops: `load` them, `run`, and read the `results`; in one thread, always the same."""

    def load(self, crops: Frame) -> None:
        """Take the crops (rows, S, S, 3) uint8, which stay as they are until `run` has returned."""

    def run(self) -> None:
        """Infer what was loaded.  Python's lock is free meanwhile."""

    def results(self) -> Rows:
        """Return the logits (rows, C) float32 of the last run, or with features (rows, C + D): a new array."""


class OverlappingBatch(Batch):
    """A batch of an engine that is prepared for a few shapes; what is less is padded with what the rows hold.

    rows: crops that it has room for at first.  new_host: makes the host's memory for so many.
    new_runner: makes what runs a shape, and opens the session behind it; called in the batch's thread.
    give_back: takes the batch when it is closed.
    """

    def __init__(
        self,
        device: Device,
        rows: int,
        *,
        new_host: Callable[[int], HostCrops],
        new_runner: Callable[[Shape], Runner],
        give_back: Callable[[OverlappingBatch], None],
    ) -> None:
        self._device, self._new_host, self._new_runner = device, new_host, new_runner
        self._give_back = give_back
        self._host = new_host(rows)
        super().__init__(self._host.crops)
        self._shapes: dict[int, Shape] = {}  # by their rows, which ascend
        self._runners: dict[Shape, Runner] = {}
        # One thread, always the same: CUDA keeps state for each.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gpu batch")
        self._result: Future[Rows] | None = None
        self._released = False

    @property
    def page_locked(self) -> bool:
        """Whether `crops` are in memory that the GPU reads without the driver's own copy."""
        return self._host.page_locked

    def take(self, shapes: Sequence[Shape]) -> None:
        """Get ready for who is lent the batch next: for `shapes`, which ascend."""
        self._shapes = {shape.rows: shape for shape in shapes}
        rows = shapes[-1].rows
        if rows > len(self._host.crops):
            self._host = self._new_host(rows)
        self.crops = self._host.crops[:rows]

    def prepare(self, shapes: Sequence[Shape]) -> None:
        """Run each of `shapes` once that never ran, whatever the rows hold; raises what a run raises."""
        for shape in shapes:
            if shape not in self._runners:
                self._thread.submit(self._run, shape).result()

    def _submit(self, count: int) -> None:
        if self._released:
            raise engine_closed()
        shape = self._shapes[padded(count, tuple(self._shapes))]
        if self.features:  # by the plain way: graphs are recorded while no batch is lent
            shape = replace(shape, recorded=False, features=True)
        self._result = self._thread.submit(self._run, shape)

    def _collect(self, count: int) -> Rows:
        result, self._result = self._result, None
        if result is None:
            raise ValueError("the batch is closed")
        return result.result()[:count]

    def _run(self, shape: Shape) -> Rows:
        try:
            if shape not in self._runners:
                self._runners[shape] = self._new_runner(shape)
            runner = self._runners[shape]
            runner.load(self.crops[: shape.rows])
            runner.run()
            return runner.results()
        except PptsnError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise gpu_error(self._device, str(error)) from error

    def close(self) -> None:
        """Wait for work in flight, drop its result, and give the batch back to its engine."""
        self._finish()
        self._give_back(self)

    def release(self) -> None:
        """End the thread and release the device's memory; what was not collected is lost."""
        self._finish()
        self._released = True
        self._thread.shutdown()
        self._runners.clear()

    def _finish(self) -> None:
        result, self._result, self._submitted = self._result, None, 0
        if result is not None:
            result.exception()  # who gives the batch back has no use for it
