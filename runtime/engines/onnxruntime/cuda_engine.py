"""ONNX Runtime on a GPU by its CUDA provider: few shapes, a session each, two batches in flight."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from pptsn.runtime.engines.base import Batch, Engine, EngineIdentity, Logits
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.lending import BatchPool, infer_through
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.host_memory import HostCrops
from pptsn.runtime.engines.onnxruntime.io_binding import Binding
from pptsn.runtime.engines.onnxruntime.overlapping import OverlappingBatch
from pptsn.runtime.engines.onnxruntime.providers import execution_providers
from pptsn.runtime.engines.onnxruntime.sessions import Sessions, ShapeSessions
from pptsn.runtime.engines.onnxruntime.shapes import as_text, prepared_shapes
from pptsn.runtime.engines.tuning import FAST, FULL, TUNING_COST
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.frames.views import view_count
from pptsn.runtime.model.file import ModelFile

# Crops a call.  TensorRT gives 24,300 views a second on an H200 with 64, and 25,600 with 125, for twice the memory
# and twice the wait for a full batch.  Not measured for ONNX Runtime.
_BATCH = 64
# Batches in flight: the copies of one overlap with the work on the other.
_BATCHES = 2
# Of ONNX Runtime, for the nodes that stay on the CPU: they work on shapes, not on pictures.
_CPU_THREADS = 1


class OnnxRuntimeCudaEngine(Engine):
    """The deployment graph in `file` on a GPU.

    Each call has one of a few numbers of crops (see `prepared_shapes`), and each of those a session of its own,
    which holds the weights once more.  Two batches run at a time, by a thread each, in the same sessions.

    optimise: False runs the graph as it is written.
    tuning: FAST opens a session, and lets it prepare itself, when its shape first comes: 0.3 s on an H200.  FULL
        prepares all before batches are lent, and fuses convolutions with their biases for the full batch and for
        one frame's crops, which takes `TUNING_COST` each.

    Raises ModelError for an unusable file, MissingDependencyError for a missing package or device, and
    DeviceError where the GPU has too little memory.
    """

    def __init__(
        self, file: ModelFile, *, device: Device, threads: int | None, optimise: bool = True, tuning: str = FAST
    ) -> None:
        self._onnxruntime = onnxruntime = import_onnxruntime()
        self._device, self.spec, self.threads = device, file.spec, threads
        self.batch_size = _BATCH
        self._full = tuning == FULL
        self._frame_crops = view_count("ten", mirror_in_graph=self.spec.mirror)
        opener = Sessions(onnxruntime, file, device, threads=threads or _CPU_THREADS, optimise=optimise)
        exact = self.spec.precision == "fp32"
        self._sessions = ShapeSessions(
            lambda fused: opener.open(execution_providers(onnxruntime, device, exact_fp32=exact, fused=fused))
        )
        self._sessions.get(_BATCH, fused=self._full)  # which tells whether the GPU and the file work
        self._pool = BatchPool(self._new_batch)
        self._closed = False
        self.identity = EngineIdentity(
            backend="onnxruntime",
            version=onnxruntime.__version__,
            device=str(device),
            precision=self.spec.precision,
        )
        self._tell_shapes(self._shapes(_BATCH))
        if self._full:
            self.notes = (
                f"full tuning: convolutions are fused for one frame's crops and for {_BATCH} before the first "
                f"answer, which takes {TUNING_COST} each; --tuning fast starts at once",
            )

    def expect(self, frame_crops: int) -> None:
        """Prepare for frames of so many crops, from the next `new_batches` on."""
        self._frame_crops = frame_crops

    def _shapes(self, batch_size: int) -> tuple[int, ...]:
        return prepared_shapes(batch_size, self._frame_crops)

    def _tell_shapes(self, shapes: tuple[int, ...]) -> None:
        tuned = ", fully tuned" if self._full else ""
        self.identity = replace(self.identity, remark=f"in batches of {as_text(shapes)} crops{tuned}")

    def _new_batches(self, batch_size: int) -> tuple[Batch, ...]:
        """Lend two batches, each with a thread and memory on the device of its own."""
        self._tell_shapes(self._shapes(batch_size))
        return self._lend(batch_size)

    def _lend(self, batch_size: int) -> tuple[OverlappingBatch, ...]:
        if self._closed:
            raise ValueError("the engine is closed")
        shapes = self._shapes(batch_size)
        fused = (shapes[0], shapes[-1]) if self._full else ()
        lent = self._pool.lend(_BATCHES)
        try:
            for batch in lent:
                batch.take(shapes, fused)
                if self._full:
                    batch.prepare()
        except BaseException:
            for batch in lent:
                batch.close()
            raise
        return lent

    def _new_batch(self) -> OverlappingBatch:
        size = self.spec.crop_size
        return OverlappingBatch(
            self._device,
            self.batch_size,
            new_host=lambda rows: HostCrops(self._onnxruntime, (rows, size, size, 3)),
            new_binding=self._new_binding,
            give_back=self._pool.take_back,
        )

    def _new_binding(self, rows: int, fused: bool) -> Binding:
        session = self._sessions.get(rows, fused=fused)
        return Binding(session, self._onnxruntime.OrtValue, self._device, self.spec, rows)

    def _infer(self, crops: Frame) -> Logits:
        with ExitStack() as lent:
            return infer_through([lent.enter_context(batch) for batch in self._lend(self.batch_size)], crops)

    def close(self) -> None:
        """Release threads, memory and sessions, in this order, after the work in flight has ended."""
        self._closed = True
        for batch in self._pool.made:
            batch.release()
        self._pool.clear()
        self._sessions.clear()
