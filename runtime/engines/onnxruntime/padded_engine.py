"""What engines on a GPU share that run few numbers of crops a call, and two batches at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from pptsn.runtime.base.errors import engine_closed
from pptsn.runtime.engines.base import Batch, Engine, Logits
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.lending import BatchPool, infer_through
from pptsn.runtime.engines.onnxruntime.host_memory import HostCrops
from pptsn.runtime.engines.onnxruntime.overlapping import OverlappingBatch, Runner
from pptsn.runtime.engines.onnxruntime.shapes import Shape, as_text, prepared_shapes
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.model.spec import ModelSpec

# Crops a call.  TensorRT gives 24,300 views a second on an H200 with 64, and 25,600 with 125, for twice the memory
# and twice the wait for a full batch.  Not measured for ONNX Runtime.
FULL_BATCH = 64
# Batches in flight: the copies of one overlap with the work on the other.
_BATCHES = 2


class PaddedEngine(Engine):
    """An engine for which a new number of crops a call costs time: it sees few, to which batches are padded.

    A subclass opens its sessions, sets `identity` and calls `_tell_shapes`.
    """

    def __init__(self, onnxruntime: Any, spec: ModelSpec, device: Device) -> None:
        self._onnxruntime, self._device, self.spec = onnxruntime, device, spec
        self.batch_size, self.features = FULL_BATCH, spec.features
        self._frame_crops = view_count("ten", mirror_in_graph=spec.mirror)
        self._pool = BatchPool(self._new_batch)
        self._closed = False

    def expect(self, frame_crops: int, batch_size: int | None = None) -> None:
        """Take the crops of a frame for the smallest number a call; they are prepared when they come."""
        self._frame_crops = frame_crops

    @abstractmethod
    def _new_runner(self, shape: Shape) -> Runner:
        """Return what runs one number of crops; called in the thread that will run it."""

    @abstractmethod
    def _release(self) -> None:
        """Release the sessions; nothing runs any more."""

    def _new_host(self, rows: int) -> HostCrops:
        """Return room for so many crops on the host."""
        return HostCrops(self._onnxruntime, (rows, self.spec.crop_size, self.spec.crop_size, 3))

    def _remarks(self) -> list[str]:
        """Return what the description is to say after the numbers of crops."""
        return []

    def _rows(self, batch_size: int) -> tuple[int, ...]:
        """Return the numbers of crops a call for batches of at most `batch_size`, ascending."""
        return prepared_shapes(batch_size, self._frame_crops)

    def _shapes(self, batch_size: int) -> tuple[Shape, ...]:
        """Return the shapes of batches that are lent now, ascending."""
        return tuple(map(Shape, self._rows(batch_size)))

    def _ahead(self, shapes: Sequence[Shape]) -> Sequence[Shape]:
        """Return those of `shapes` that are run once before batches are lent."""
        return ()

    def _tell_shapes(self, batch_size: int) -> None:
        rows = as_text(self._rows(batch_size))
        remark = ", ".join([f"in batches of {rows} crops", *self._remarks()])
        self.identity = replace(self.identity, remark=remark)
        locked = any(batch.page_locked for batch in self._pool.made)
        self.details = (
            self.description,
            f"batches have {rows} crops, as the GPU prepares itself anew for each number: one frame's crops, the "
            "full batch, and between them as few as keep padding within a factor of two",
            f"crops are copied from {'page-locked' if locked else 'ordinary'} memory",
        )

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        """Lend two batches, each with a thread and memory of its own."""
        lent = self._lend(batch_size)
        self._tell_shapes(batch_size)
        return lent

    def _lend(self, batch_size: int) -> tuple[OverlappingBatch, ...]:
        if self._closed:
            raise engine_closed()
        shapes = self._shapes(batch_size)
        lent = self._pool.lend(_BATCHES)
        try:
            for batch in lent:
                batch.take(shapes)
                batch.prepare(self._ahead(shapes))
        except BaseException:
            for batch in lent:
                batch.close()
            raise
        return lent

    def _new_batch(self) -> OverlappingBatch:
        return OverlappingBatch(
            self._device,
            self.batch_size,
            new_host=self._new_host,
            new_runner=self._new_runner,
            give_back=self._pool.take_back,
        )

    def _infer(self, crops: Frame) -> Logits:
        with ExitStack() as lent:
            return infer_through([lent.enter_context(batch) for batch in self._lend(self.batch_size)], crops)

    def close(self) -> None:
        """Release threads, memory and sessions, in this order, after the work in flight has ended."""
        self._closed = True
        for batch in self._pool.made:
            batch.release()
        self._pool.clear()
        self._release()
