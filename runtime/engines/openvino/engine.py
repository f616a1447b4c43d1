"""OpenVINO on CPUs: INT8 files, where the processor has instructions for them, much faster than ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np

from pptsn.runtime.base.caches import FileCache
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits
from pptsn.runtime.engines.openvino.compiling import Compilation, Compiled, compile_model, last_line
from pptsn.runtime.engines.openvino.library import import_openvino
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import CROPS, LOGITS

_BATCH, _INT8_BATCH = 5, 10


class OpenVinoEngine(Engine):
    """The deployment graph in `file` run by OpenVINO on the CPU.

    threads: CPU threads of one call; None takes one for each core that this process may use.
    bf16: multiply in bfloat16, with 8 bits of mantissa.
    cache: where the compiled model is kept; None keeps none.

    Raises ModelError for an unusable file, and MissingDependencyError where OpenVINO is missing.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        threads: int | None = None,
        bf16: bool = False,
        cache: FileCache | None = None,
    ) -> None:
        openvino = import_openvino()
        self.spec = file.spec
        self.threads = threads
        self.batch_size = _INT8_BATCH if self.spec.precision == "int8" else _BATCH
        self._path = file.path
        self._tensor: Any = openvino.Tensor
        how = Compilation(threads=threads or available_cores(), precision="bf16" if bf16 else "f32")
        self._compiled: Compiled | None = compile_model(openvino, file, how, cache)
        self._check_interface(self._compiled.model)
        self._request: Any = self._compiled.model.create_infer_request()
        self.identity = EngineIdentity(
            backend="openvino",
            version=openvino.__version__.partition("-")[0],
            device="cpu",
            precision=self.spec.precision,
            remark="in bfloat16" if bf16 else "",
        )

    def _check_interface(self, compiled: Any) -> None:
        size = self.spec.crop_size
        inputs, outputs = ([_told(port) for port in ports] for ports in (compiled.inputs, compiled.outputs))
        expected = f"{CROPS} u8 [?,{size},{size},3]"
        if inputs != [expected] or outputs != [f"{LOGITS} f32 [?,{self.spec.classes}]"]:
            cause = f"takes {inputs} and gives {outputs}, expected {expected} and its spec's classes"
            raise ModelError(self._path, cause)

    def _infer(self, crops: Frame) -> Logits:
        # In pieces, so that memory stays bounded.
        pieces = [crops[i : i + self.batch_size] for i in range(0, len(crops), self.batch_size)]
        return np.concatenate([self._infer_batch(piece) for piece in pieces])

    def _infer_batch(self, crops: Frame) -> Logits:
        if self._request is None:
            raise ValueError("the engine is closed")
        # Shared memory spares a copy; the call returns when the batch is done, and the result is a copy.
        batch = self._tensor(np.require(crops, requirements=("C", "W")), shared_memory=True)
        try:
            (logits,) = self._request.infer([batch]).values()
        except RuntimeError as error:
            cause = f"OpenVINO failed to run it ({last_line(error)})"
            raise ModelError(self._path, cause, "try another backend") from error
        result: Logits = logits
        return result

    def close(self) -> None:
        """Release the model; a later `infer` raises ValueError."""
        self._request = None
        self._compiled = None


def _told(port: Any) -> str:
    """Return what an input or output is: its name, type and shape."""
    return f"{port.get_any_name()} {port.element_type.get_type_name()} {port.partial_shape.to_string()}"
