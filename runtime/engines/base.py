"""What every inference engine offers: logits for a batch of uint8 crops, and room for batches in flight."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.spec import ModelSpec

Logits = npt.NDArray[np.float32]


class Batch(Closing, ABC):
    """Room for one batch on the host, and the engine's work on it.

    Write crops into the first rows of `crops`, `submit` their number, and `collect` their logits; from `submit`
    to `collect` the engine reads `crops`, so leave it alone.  Between the two the caller may fill another Batch:
    an engine that lends several works on one while the next is filled.  Close a batch to give it back.

    crops: (batch_size, S, S, 3) uint8 RGB, C-contiguous; what it holds at first is arbitrary.
    """

    def __init__(self, crops: Frame) -> None:
        self.crops = crops
        self._submitted = 0

    def submit(self, count: int) -> None:
        """Start the inference of the first `count` rows; it may or may not have ended on return.

        Raises ValueError for a count that does not fit and for a batch that was not collected.
        """
        if not 1 <= count <= len(self.crops):
            raise ValueError(f"{count} crops, expected 1 to {len(self.crops)}")
        if self._submitted:
            raise ValueError("the batch is in flight: collect it first")
        self._submit(count)
        self._submitted = count

    def collect(self) -> Logits:
        """Wait for the inference; return its logits (count, C) float32, a new array.

        Raises ValueError for a batch that was not submitted.
        """
        count, self._submitted = self._submitted, 0
        if not count:
            raise ValueError("nothing was submitted")
        return self._collect(count)

    @abstractmethod
    def _submit(self, count: int) -> None:
        """Do what `submit` promises, for a count that was checked."""

    @abstractmethod
    def _collect(self, count: int) -> Logits:
        """Do what `collect` promises, for the count that was submitted."""

    @abstractmethod
    def close(self) -> None:
        """Give the batch back; work in flight is waited for and its result dropped."""


class Engine(Closing, ABC):
    """A loaded model.  One thread uses it at a time; it is a context manager, and `close` may be called twice.

    spec: what the model is.
    description: backend, version and device, for people.
    batch_size: the number of crops a call at which this engine is fastest; any other number works too.
    notes: what a user should know of how it runs here: what `auto` took, and why not what was expected.
    threads: the CPU threads that were asked for, or None for as many as there are cores.
    """

    spec: ModelSpec
    description: str
    batch_size: int
    notes: tuple[str, ...] = ()
    threads: int | None = None

    def infer(self, crops: Frame) -> Logits:
        """Return the logits (N, C) float32 of `crops` (N, S, S, 3) uint8 RGB, N >= 1.

        The result is a new array.  With `spec.mirror` each row is the mean over the crop and its mirror image.
        Raises ValueError for another shape or dtype, which is a mistake of the calling code.
        """
        size = self.spec.crop_size
        if crops.dtype != np.uint8 or crops.shape[1:] != (size, size, 3) or len(crops) == 0:
            raise ValueError(
                f"crops are {crops.shape} {crops.dtype}, expected (N, {size}, {size}, 3) uint8, N >= 1"
            )
        return self._infer(crops)

    def new_batches(self) -> tuple[Batch, ...]:
        """Lend as many batches as this engine works on at once, in the order in which to fill them.

        The caller closes them, or closes the engine.  Batches of two calls do not disturb each other.
        """
        return (_PlainBatch(self),)

    @abstractmethod
    def _infer(self, crops: Frame) -> Logits:
        """Do what `infer` promises, for arguments that were checked."""

    @abstractmethod
    def close(self) -> None:
        """Release the model and its memory."""


class _PlainBatch(Batch):
    """Ordinary memory, and an engine that has done its work when its call returns."""

    def __init__(self, engine: Engine) -> None:
        size = engine.spec.crop_size
        super().__init__(np.empty((engine.batch_size, size, size, 3), np.uint8))
        self._engine = engine
        self._logits: Logits | None = None

    def _submit(self, count: int) -> None:
        self._logits = self._engine.infer(self.crops[:count])

    def _collect(self, count: int) -> Logits:
        logits, self._logits = self._logits, None
        if logits is None:
            raise ValueError("the batch is closed")
        return logits

    def close(self) -> None:
        """Drop what was not collected."""
        self._submitted, self._logits = 0, None
