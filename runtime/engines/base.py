"""What every inference engine offers: logits and features of uint8 crops, and room for batches in flight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines.tuned import DecodersFound
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.spec import ModelSpec

Logits = npt.NDArray[np.float32]
# Pooled vectors, from which the network's classifier makes the logits: (N, D).
Features = npt.NDArray[np.float32]
# What an engine gives of crops: logits (N, C); where features were asked for, these behind them: (N, C + D).
Rows = npt.NDArray[np.float32]

_NO_FEATURES = "gives logits alone, as files of older releases do, and networks that end in no linear classifier"
_CONVERT_AGAIN = "convert it again by this release, from its export or its FP32 file; a plan is then built anew"


@dataclass(frozen=True, kw_only=True)
class EngineIdentity:
    """Who computes, as reports have it.

    backend: its name in the registry of backends, such as "onnxruntime-tensorrt".
    version: of its library, as that says it; "" where it has none.
    device: where it runs: "cpu", "cuda:0".  device_name: what its maker calls it; "" where nothing tells.
    precision: of the model's weights and activations.
    remark: what else tells this engine from others of its kind, such as "with CUDA graphs".
    """

    backend: str
    precision: str
    version: str = ""
    device: str = "cpu"
    device_name: str = ""
    remark: str = ""

    def __str__(self) -> str:
        library = f"{self.backend} {self.version}".rstrip()
        name = f" ({self.device_name})" if self.device_name else ""
        return f"{library} on {self.device}{name} {self.remark}".rstrip()

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        return self.device != "cpu"


class Batch(Closing, ABC):
    """Room for one batch on the host, and the engine's work on it.

    Write crops into the first rows of `crops`, `submit` their number, and `collect` their rows; from `submit`
    to `collect` the engine reads `crops`, so leave it alone.  Between the two the caller may fill another Batch:
    an engine that lends several works on one while the next is filled.  Close a batch to give it back.

    crops: (batch_size, S, S, 3) uint8 RGB, C-contiguous; what it holds at first is arbitrary.
    features: whether rows are to have features, as who is lent the batch asked; set by `Engine.new_batches`.
    """

    def __init__(self, crops: Frame) -> None:
        self.crops = crops
        self.features = False
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

    def collect(self) -> Rows:
        """Wait for the inference; return its logits (count, C) float32, a new array; with features (count, C + D).

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
    def _collect(self, count: int) -> Rows:
        """Do what `collect` promises, for the count that was submitted."""

    @abstractmethod
    def close(self) -> None:
        """Give the batch back; work in flight is waited for and its result dropped."""


class Engine(Closing, ABC):
    """A loaded model.  One thread uses it at a time; it is a context manager, and `close` may be called twice.

    spec: what the model is.
    identity: who computes.
    batch_size: the number of crops a call at which this engine is fastest; any other number works too.
    features: the size D of the pooled vectors that it gives where they are asked for; 0 where it gives none.
    largest_batch: the most crops that a batch of `new_batches` can have; None for any number.
    notes: what a user should know of how it runs here: what `auto` took, and why not what was expected.
    details: how it runs, for who asks; they may change when batches are lent.
    threads: the CPU threads that were asked for, or None for as many as there are cores.
    decoding: how many processes should decode beside it, where `pptsn tune` found that out.
    """

    spec: ModelSpec
    identity: EngineIdentity
    batch_size: int
    features: int = 0
    largest_batch: int | None = None
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    threads: int | None = None
    decoding: DecodersFound | None = None

    @property
    def description(self) -> str:
        """What runs the model, for people: backend, version and device."""
        return str(self.identity)

    def infer(self, crops: Frame) -> Logits:
        """Return the logits (N, C) float32 of `crops` (N, S, S, 3) uint8 RGB, N >= 1.

        The result is a new array.  With `spec.mirror` each row is the mean over the crop and its mirror image.
        Raises ValueError for another shape or dtype, which is a mistake of the calling code.
        """
        self._check_crops(crops)
        return self._infer(crops)

    def infer_with_features(self, crops: Frame) -> tuple[Logits, Features]:
        """Return the logits (N, C) and the features (N, D), float32, of `crops`, by one run of the network.

        crops, and what raises: as for `infer`; UsageError besides, where the engine gives no features.
        """
        self._check_crops(crops)
        first, *others = self.new_batches(features=True)
        try:
            pieces = []
            for start in range(0, len(crops), len(first.crops)):
                piece = crops[start : start + len(first.crops)]
                first.crops[: len(piece)] = piece
                first.submit(len(piece))
                pieces.append(first.collect())
        finally:
            for batch in (first, *others):
                batch.close()
        rows = np.concatenate(pieces)
        return rows[:, : self.spec.classes], rows[:, self.spec.classes :]

    def _check_crops(self, crops: Frame) -> None:
        size = self.spec.crop_size
        if crops.dtype != np.uint8 or crops.shape[1:] != (size, size, 3) or len(crops) == 0:
            raise ValueError(
                f"crops are {crops.shape} {crops.dtype}, expected (N, {size}, {size}, 3) uint8, N >= 1"
            )

    def expect(self, frame_crops: int, batch_size: int | None = None) -> None:
        """Hear how many crops each frame of the batches lent next will have, and how many a batch at most.

        An engine that prepares itself for few sizes of batches prepares for these, which may take its time; others
        have no use for it.  batch_size: as in `new_batches`.
        """

    def new_batches(self, batch_size: int | None = None, *, features: bool = False) -> tuple[Batch, ...]:
        """Lend as many batches as this engine works on at once, in the order in which to fill them.

        batch_size: crops a batch; None takes the engine's own number.
        features: whether what they give has features too.
        The caller closes them, or closes the engine.  Batches of two calls do not disturb each other.
        Raises UsageError for more crops than `largest_batch`, and for features of an engine that gives none.
        """
        if features:
            self.require_features()
        size, most = batch_size or self.batch_size, self.largest_batch
        if most is not None and size > most:
            cause = f"{self.description} takes batches of at most {most}, not of {size}"
            raise UsageError("--batch", cause, self._remedy_for_batch(size))
        lent = self._new_batches(size)
        for batch in lent:
            batch.features = features
        return lent

    def require_features(self) -> None:
        """Raise UsageError, with what to do, where the engine gives no features."""
        if not self.spec.features and not self.features:
            raise UsageError("features", f"the model {_NO_FEATURES}", _CONVERT_AGAIN)
        if not self.features:
            cause = f"{self.description} gives logits alone"
            raise UsageError("features", cause, "take another --backend, such as onnxruntime")

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        """Do what `new_batches` promises, for a size that was checked."""
        return (_PlainBatch(self, batch_size),)

    def _remedy_for_batch(self, batch_size: int) -> str:
        """Return what to do for batches larger than `largest_batch`."""
        return f"give {self.largest_batch} or less"

    @abstractmethod
    def _infer(self, crops: Frame) -> Logits:
        """Do what `infer` promises, for arguments that were checked."""

    def _infer_batch(self, crops: Frame) -> Logits:
        """Run a batch in one call of the device, however many crops `infer` passes to one."""
        return self._infer(crops)

    def _infer_rows(self, crops: Frame) -> Rows:
        """Return what `_infer_batch` does with features behind the logits; for engines that give any."""
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Release the model and its memory."""


def require_engine(given: object, *, taker: str, opener: str = "open_engine") -> None:
    """Raise TypeError, with what to call instead, where `given` is no Engine; a path is the likely mistake.

    taker: the class that was given it.  opener: what takes a path.
    """
    if not isinstance(given, Engine):
        path = repr(str(given)) if isinstance(given, (str, Path)) else "PATH"
        raise TypeError(f"{taker} takes an Engine, not {given!r}; a model is opened by {opener}({path})")


class _PlainBatch(Batch):
    """Ordinary memory, and an engine that has done its work when its call returns."""

    def __init__(self, engine: Engine, batch_size: int) -> None:
        size = engine.spec.crop_size
        super().__init__(np.empty((batch_size, size, size, 3), np.uint8))
        self._engine = engine
        self._rows: Rows | None = None

    def _submit(self, count: int) -> None:
        infer = self._engine._infer_rows if self.features else self._engine._infer_batch
        self._rows = infer(self.crops[:count])

    def _collect(self, count: int) -> Rows:
        rows, self._rows = self._rows, None
        if rows is None:
            raise ValueError("the batch is closed")
        return rows

    def close(self) -> None:
        """Drop what was not collected."""
        self._submitted, self._rows = 0, None
