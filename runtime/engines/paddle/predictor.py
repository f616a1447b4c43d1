"""A graph that Paddle saved, run on the CPU by Paddle Inference with oneDNN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.paddle.library import cpu_threads


class CpuPredictor:
    """The per-view network of the files `program` and `parameters`, on all cores.

    paddle: the module, as `import_paddle` returns it.  Any of Paddle's exceptions comes out of damaged files.
    """

    def __init__(self, paddle: Any, program: Path, parameters: Path) -> None:
        config = paddle.inference.Config(str(program), str(parameters))
        config.disable_gpu()
        config.enable_mkldnn()  # oneDNN by its former name
        config.set_cpu_math_library_num_threads(cpu_threads())
        config.disable_glog_info()
        self._predictor: Any = paddle.inference.create_predictor(config)
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        self._output = self._predictor.get_output_handle(self._predictor.get_output_names()[0])

    def run(self, pixels: npt.NDArray[np.float32]) -> Logits:
        """Return the logits (N, C) float32 of normalised crops (N, 3, S, S); the array is the caller's own."""
        self._input.reshape(pixels.shape)
        self._input.copy_from_cpu(np.ascontiguousarray(pixels))
        self._predictor.run()
        return np.array(self._output.copy_to_cpu(), np.float32)
