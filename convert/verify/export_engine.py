"""An export run by Paddle in this process, behind the interface that the runtime's engines have."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits
from pptsn.runtime.engines.paddle.library import import_paddle
from pptsn.runtime.engines.paddle.predictor import CpuPredictor
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.runtime.model.export_folder import export_files, read_export_spec
from pptsn.runtime.model.kinds import EXPORT, refuse_others

# Crops a call: what is fastest on a CPU changes little from here on, and memory grows.
_BATCH = 10


class PaddleExportEngine(Engine):
    """The per-view network of an export folder, run by Paddle Inference with oneDNN on the CPU.

    mirror: average each crop with its mirror image, as the deployment graphs do; `spec.mirror` says it.
    Preprocessing and averaging are plain NumPy: what the deployment graphs are judged by.
    Raises ModelError for an incomplete or damaged export, MissingDependencyError without Paddle.
    """

    def __init__(self, export: str | Path, *, mirror: bool = True) -> None:
        export = Path(export)
        refuse_others(export, EXPORT)
        self.spec = dataclasses.replace(read_export_spec(export), mirror=mirror)
        program, parameters = export_files(export)
        paddle = import_paddle("running an export folder needs it", extra="convert")
        try:
            self._predictor: CpuPredictor | None = CpuPredictor(paddle, program, parameters)
        except Exception as error:  # the bytes decide in which of Paddle's exceptions a damaged export ends
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(
                export, f"Paddle cannot load it ({reason})", "export the model again by: pptsn export"
            ) from error
        self.batch_size = _BATCH
        self.identity = EngineIdentity(backend="paddle", version=paddle.__version__, precision=self.spec.precision)

    def _infer(self, crops: Frame) -> Logits:
        if self._predictor is None:
            raise ValueError("the engine is closed")
        pixels = normalise(crops, mean=self.spec.mean, std=self.spec.std)
        logits = self._predictor.run(pixels)
        if self.spec.mirror:
            logits = (logits + self._predictor.run(pixels[..., ::-1])) / np.float32(2)
        return logits

    def close(self) -> None:
        """Release the network; a later `infer` raises ValueError."""
        self._predictor = None
