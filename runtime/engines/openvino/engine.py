"""OpenVINO on CPUs: INT8 files, where the processor has instructions for them, much faster than ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from pptsn.runtime.base.caches import FileCache
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import ModelError, engine_closed
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits
from pptsn.runtime.engines.lending import BatchPool, infer_through
from pptsn.runtime.engines.openvino.batch import OpenVinoBatch
from pptsn.runtime.engines.openvino.compiling import Compilation, Compiled, compile_model, last_line
from pptsn.runtime.engines.openvino.library import import_openvino
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import CROPS

# Crops a call.  INT8 gains a little from 5 to 10, for more memory; two calls side by side have 10 with 5 each.
_BATCH, _INT8_BATCH = 5, 10


class OpenVinoEngine(Engine):
    """The deployment graph in `file` run by OpenVINO on the CPU.

    threads: CPU threads; None takes one for each core that this process may use.
    streams: how many batches are worked on side by side, by a share of the threads each.  With one, an answer
        comes soonest; with two, no thread waits for another whose core a decoder has, so that more is done in all.
        OpenVINO takes no more than there are threads.
    bf16: multiply in bfloat16, with 8 bits of mantissa.
    cache: where the compiled model is kept; None keeps none.

    Raises ModelError for an unusable file, and MissingDependencyError where OpenVINO is missing.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        threads: int | None = None,
        streams: int = 1,
        bf16: bool = False,
        cache: FileCache | None = None,
    ) -> None:
        openvino = import_openvino()
        self.spec, self.features = file.spec, file.spec.features
        self.threads = threads
        self._path, self._openvino = file.path, openvino
        how = Compilation(
            threads=threads or available_cores(), streams=streams, precision="bf16" if bf16 else "f32"
        )
        crops = self._crops_a_call(streams) * streams
        self._compiled: Compiled | None = compile_model(openvino, file, how, cache, crops=crops)
        self._check_interface(self._compiled.model)
        self._streams = int(self._compiled.model.get_property("NUM_STREAMS"))
        self.batch_size = self._crops_a_call(self._streams)
        self._pool = BatchPool(self._new_batch)
        self.identity = EngineIdentity(
            backend="openvino",
            version=openvino.__version__.partition("-")[0],
            device="cpu",
            precision=self.spec.precision,
            remark=", ".join(self._remarks(bf16=bf16)),
        )
        if self._streams > 1:
            shared = f"{self._streams} batches are worked on side by side, by a share of the CPU threads each"
            self.details = (self.description, shared)

    def _crops_a_call(self, streams: int) -> int:
        return _INT8_BATCH if self.spec.precision == "int8" and streams == 1 else _BATCH

    def _remarks(self, *, bf16: bool) -> Iterator[str]:
        if bf16:
            yield "in bfloat16"
        if self._streams > 1:
            yield f"in {self._streams} streams"

    def _check_interface(self, compiled: Any) -> None:
        size = self.spec.crop_size
        inputs, outputs = ([_told(port) for port in ports] for ports in (compiled.inputs, compiled.outputs))
        taken = [f"{CROPS} u8 [?,{size},{size},3]"]
        given = [f"{name} f32 [?,{width}]" for name, width in self.spec.outputs.items()]
        if inputs != taken or outputs != given:
            cause = f"takes {inputs} and gives {outputs}, expected {taken} and {given}"
            raise ModelError(self._path, cause)

    def _new_batches(self, batch_size: int) -> tuple[OpenVinoBatch, ...]:
        """Lend a batch for each stream; beside several, one more, which waits, filled, for the first free one."""
        lent = self._pool.lend(1 if self._streams == 1 else self._streams + 1)
        for batch in lent:
            batch.take_rows(batch_size)
        return lent

    def _new_batch(self) -> OpenVinoBatch:
        if self._compiled is None:
            raise engine_closed()
        return OpenVinoBatch(
            self._compiled,
            self.batch_size,
            self.spec.crop_size,
            new_tensor=self._openvino.Tensor,
            failure=self._failure,
            give_back=self._pool.take_back,
        )

    def _failure(self, error: RuntimeError) -> ModelError:
        return ModelError(self._path, f"OpenVINO failed to run it ({last_line(error)})", "try another backend")

    def _infer(self, crops: Frame) -> Logits:
        # In pieces, so that memory stays bounded.
        with ExitStack() as lent:
            return infer_through(
                [lent.enter_context(batch) for batch in self._new_batches(self.batch_size)], crops
            )

    def close(self) -> None:
        """Cut work in flight short, and release the model; a later `infer` raises ValueError."""
        for batch in self._pool.made:
            batch.release()
        self._pool.clear()
        self._compiled = None


def _told(port: Any) -> str:
    """Return what an input or output is: its name, type and shape."""
    return f"{port.get_any_name()} {port.element_type.get_type_name()} {port.partial_shape.to_string()}"
