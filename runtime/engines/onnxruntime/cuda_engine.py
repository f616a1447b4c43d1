"""ONNX Runtime on a GPU by its CUDA provider: few shapes, a session each, two batches in flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pptsn.runtime.engines.base import EngineIdentity
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.io_binding import Binding
from pptsn.runtime.engines.onnxruntime.padded_engine import FULL_BATCH, PaddedEngine
from pptsn.runtime.engines.onnxruntime.providers import execution_providers
from pptsn.runtime.engines.onnxruntime.sessions import Sessions, ShapeSessions
from pptsn.runtime.engines.onnxruntime.shapes import Shape
from pptsn.runtime.engines.tuning import FAST, FULL, TUNING_COST
from pptsn.runtime.frames.pictures import drawn_crops
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile

# How far the logits of a CUDA graph may be from those of the same kernels started one by one, of the largest.
_SAME = 0.01
# Of ONNX Runtime, for the nodes that stay on the CPU: they work on shapes, not on pictures.
_CPU_THREADS = 1


class OnnxRuntimeCudaEngine(PaddedEngine):
    """The deployment graph in `file` on a GPU.

    Each call has one of a few numbers of crops (see `prepared_shapes`), and each of those a session of its own,
    which holds the weights once more.  Two batches run at a time, by a thread each, in the same sessions.

    optimise: False runs the graph as it is written.
    tuning: FAST opens a session, and lets it prepare itself, when its shape first comes: 0.3 s on an H200.  FULL
        prepares all before batches are lent, and fuses convolutions with their biases for the full batch and for
        one frame's crops, which takes `TUNING_COST` each.
    graphs: whether to start one frame's work by a CUDA graph.  ONNX Runtime records it in a mode in which calls of
        other threads fail, so that is done while no batch is lent, and what it gives is compared with what the
        plain session gives; where either goes wrong, the description says so and the plain way is taken.

    Raises ModelError for an unusable file, MissingDependencyError for a missing package or device, and
    DeviceError where the GPU has too little memory.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        device: Device,
        threads: int | None = None,
        optimise: bool = True,
        tuning: str = FAST,
        graphs: bool = False,
    ) -> None:
        onnxruntime = import_onnxruntime()
        super().__init__(onnxruntime, file.spec, device)
        self.threads = threads
        self._full, self._graphs = tuning == FULL, graphs
        self._without_graphs = ""  # why
        self._opener = Sessions(onnxruntime, file, device, threads=threads or _CPU_THREADS, optimise=optimise)
        self._sessions = ShapeSessions(self._open_session)
        self._sessions.get(Shape(FULL_BATCH, fused=self._full))  # which tells whether the GPU and the file work
        self.identity = EngineIdentity(
            backend="onnxruntime",
            version=onnxruntime.__version__,
            device=str(device),
            precision=self.spec.precision,
        )
        self._tell_shapes(FULL_BATCH)
        if self._full:
            self.notes = (
                f"full tuning: convolutions are fused for one frame's crops and for {FULL_BATCH} before the first "
                f"answer, which takes {TUNING_COST} each; --tuning fast starts at once",
            )

    def expect(self, frame_crops: int, batch_size: int | None = None) -> None:
        """Prepare for frames of so many crops: with full tuning at once, else when they come."""
        super().expect(frame_crops, batch_size)
        if self._full:
            for batch in self.new_batches(batch_size):
                batch.close()

    def _shapes(self, batch_size: int) -> tuple[Shape, ...]:
        """Return the shapes of batches that are lent now; the smallest is recorded while nobody has one."""
        rows, recorded = self._rows(batch_size), self._graphs and self._pool.all_free
        ends = (rows[0], rows[-1]) if self._full else ()
        return tuple(Shape(each, fused=each in ends, recorded=recorded and each == rows[0]) for each in rows)

    def _ahead(self, shapes: Sequence[Shape]) -> list[Shape]:
        return [shape for shape in shapes if self._full or shape.recorded]

    def _remarks(self) -> list[str]:
        parts = ["fully tuned"] if self._full else []
        parts += ["with CUDA graphs"] if self._graphs else []
        parts += [f"without CUDA graphs ({self._without_graphs})"] if self._without_graphs else []
        return parts

    def _new_runner(self, shape: Shape) -> Binding:
        session = self._sessions.get(replace(shape, recorded=False, features=False))
        plain = self._bound(session, shape.rows, features=shape.features)
        if not shape.recorded or not self._graphs:
            return plain
        try:
            recorded = self._bound(self._open_session(shape), shape.rows, recorded=True)
            return _checked(recorded, plain, drawn_crops(2 * shape.rows, self.spec.crop_size))
        except Exception as error:  # whatever it is, the plain way needs none of it, and the reason is shown
            self._graphs, self._without_graphs = False, f"{type(error).__name__}: {error}"[:200]
            return plain

    def _open_session(self, shape: Shape) -> Any:
        return self._opener.open(
            execution_providers(
                self._onnxruntime,
                self._device,
                precision=self.spec.precision,
                fused=shape.fused,
                recorded=shape.recorded,
            )
        )

    def _bound(self, session: Any, rows: int, *, features: bool = False, recorded: bool = False) -> Binding:
        value = self._onnxruntime.OrtValue
        return Binding(session, value, self._device, self.spec, rows, features=features, recorded=recorded)

    def _release(self) -> None:
        self._sessions.clear()


def _checked(recorded: Binding, plain: Binding, crops: Frame) -> Binding:
    """Return `recorded`, once two batches have had the logits that `plain` gives; raises ValueError else."""
    for half in np.split(crops, 2):
        logits = []
        for binding in (plain, recorded):
            binding.load(half)
            binding.run()
            logits.append(binding.results())
        expected, found = logits
        if not np.allclose(found, expected, rtol=0, atol=_SAME * float(np.abs(expected).max())):
            raise ValueError("a graph gives other logits")
    return recorded
