"""An export run by Paddle in this process, behind the interface that the runtime's engines have."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, install_command
from pptsn.runtime.engines.base import Engine, EngineIdentity, Logits
from pptsn.runtime.frames.preprocess import Frame, normalise
from pptsn.runtime.model.export_folder import export_files, read_export_spec

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
        self.spec = dataclasses.replace(read_export_spec(export), mirror=mirror)
        program, parameters = export_files(export)
        paddle = _import_paddle()
        config = paddle.inference.Config(str(program), str(parameters))
        config.disable_gpu()
        config.enable_mkldnn()  # oneDNN by its former name
        config.set_cpu_math_library_num_threads(available_cores())
        config.disable_glog_info()
        try:
            self._predictor: Any = paddle.inference.create_predictor(config)
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
        logits = self._run(pixels)
        if self.spec.mirror:
            logits = (logits + self._run(np.ascontiguousarray(pixels[..., ::-1]))) / np.float32(2)
        return logits

    def _run(self, pixels: npt.NDArray[np.float32]) -> Logits:
        """Return the network's logits (N, C) for normalised crops (N, 3, S, S)."""
        source = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        source.reshape(pixels.shape)
        source.copy_from_cpu(pixels)
        self._predictor.run()
        result = self._predictor.get_output_handle(self._predictor.get_output_names()[0])
        return np.array(result.copy_to_cpu(), np.float32)

    def close(self) -> None:
        """Release the network; a later `infer` raises ValueError."""
        self._predictor = None


def _import_paddle() -> Any:
    """Return the module `paddle`, imported without its remarks on compilers and thread counts."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import paddle
    except ImportError as error:
        raise MissingDependencyError(
            "paddle", f"running an export folder needs it ({error})", f"run: {install_command('convert')}"
        ) from error
    return paddle
