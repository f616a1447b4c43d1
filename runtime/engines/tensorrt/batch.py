"""One batch on its way through a TensorRT plan: page-locked buffers, a stream and an execution context of its own.

Two of them let the copies of one batch overlap with the work on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import engine_closed
from pptsn.runtime.engines.base import Batch, Rows
from pptsn.runtime.engines.device import DeviceError
from pptsn.runtime.engines.tensorrt.cuda import CudaBuffer, CudaDevice
from pptsn.runtime.engines.tensorrt.cuda_graphs import ShapeGraphs, Work
from pptsn.runtime.engines.tensorrt.plan import Plan
from pptsn.runtime.model.spec import CROPS, LOGITS, ModelSpec


class TensorRtBatch(Batch):
    """A batch with room for the plan's largest; made while the GPU's context is current.

    graphs: the module that records CUDA graphs, or None.  graphs_failed: called with the reason where that fails.
    give_back: takes the batch when it is closed.
    """

    def __init__(
        self,
        plan: Plan,
        spec: ModelSpec,
        cuda: CudaDevice,
        *,
        graphs: Any | None,
        graphs_failed: Callable[[str], None],
        give_back: Callable[[TensorRtBatch], None],
    ) -> None:
        self._plan, self._cuda = plan, cuda
        self._smallest, best, largest = plan.profile
        self._crop_shape = (spec.crop_size, spec.crop_size, 3)
        self._crops = cuda.new_buffer((largest, *self._crop_shape), np.uint8)
        # By name.  A plan writes all that it gives; only what was asked for is copied to the host.
        self._results = {
            name: cuda.new_buffer((largest, width), np.float32) for name, width in spec.outputs.items()
        }
        super().__init__(self._crops.host[:best])
        self._stream: Any = cuda.new_stream()
        self._context: Any = self._new_context()
        self._graphs_failed, self._give_back = graphs_failed, give_back
        self._graphs: ShapeGraphs | None = None
        if graphs is not None:
            self._graphs = ShapeGraphs(
                graphs,
                int(self._stream.handle),
                new_context=self._new_context,
                enqueue=self._enqueue,
                synchronise=self._stream.synchronize,
            )

    def _new_context(self) -> Any:
        context = self._plan.new_context()
        for name, buffer in {CROPS: self._crops, **self._results}.items():
            if not context.set_tensor_address(name, buffer.address):
                raise self._plan.failure(f"refuses the address of {name}")
        return context

    def take_rows(self, batch_size: int) -> None:
        """Offer `batch_size` rows, at most the plan's largest batch, to who is lent the batch next."""
        self.crops = self._crops.host[:batch_size]

    def _submit(self, count: int) -> None:
        if self._stream is None:
            raise engine_closed()
        # Fewer rows than the profile's smallest batch are made up with what the buffer holds; nobody reads those.
        work = Work(max(count, self._smallest), self.features)
        with self._cuda.current():
            if not self._launched_by_graph(work):
                self._enqueue(self._context, work)

    def _launched_by_graph(self, work: Work) -> bool:
        if self._graphs is None:
            return False
        try:
            return self._graphs.launch(work)
        except Exception as error:  # of three libraries; the plain way needs none of it, and the reason is shown
            self._graphs.destroy()
            self._graphs = None
            self._graphs_failed(f"{type(error).__name__}: {error}")
            return False

    def _enqueue(self, context: Any, work: Work) -> None:
        """Queue copy in, inference and copy out."""
        rows = work.rows
        shape = (rows, *self._crop_shape)
        if tuple(context.get_tensor_shape(CROPS)) != shape and not context.set_input_shape(CROPS, shape):
            raise self._plan.failure(f"refuses a batch of {rows}")
        self._crops.upload(rows, self._stream)
        if not context.execute_async_v3(int(self._stream.handle)):
            raise self._plan.failure("does not run")
        for buffer in self._asked(work.features):
            buffer.download(rows, self._stream)

    def _asked(self, features: bool) -> list[CudaBuffer]:
        """Return the buffers of what is read."""
        return [buffer for name, buffer in self._results.items() if name == LOGITS or features]

    def _collect(self, count: int) -> Rows:
        if self._stream is None:
            raise engine_closed()
        with self._cuda.current():
            self._stream.synchronize()
        return np.concatenate([buffer.host[:count] for buffer in self._asked(self.features)], axis=1)

    def close(self) -> None:
        """Wait for work in flight, then give the batch back to its engine."""
        self._submitted = 0
        if self._stream is None:
            return
        # After a failure of the GPU, which was reported where it happened, nothing is in flight any more.
        with suppress(DeviceError), self._cuda.current():
            self._stream.synchronize()
        self._give_back(self)

    def release_contexts(self) -> None:
        """End the work in flight and release graphs and contexts; the plan has to go next, the buffers last."""
        self._submitted = 0
        with suppress(DeviceError), self._cuda.current():
            if self._stream is not None:
                self._stream.synchronize()
        if self._graphs is not None:
            self._graphs.destroy()
        self._graphs = None
        self._context = None

    def release_buffers(self) -> None:
        """Release the GPU's memory; the host's goes when nobody refers to `crops` any more."""
        self._crops.free()
        for buffer in self._results.values():
            buffer.free()
        self._stream = None
