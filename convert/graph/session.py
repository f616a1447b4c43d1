"""Running a per-view network by itself, with a look at the tensors inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pptsn.convert.graph.network import INPUT_NAME, OUTPUT_NAME, Network
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime, run_session
from pptsn.runtime.engines.onnxruntime.memory_bound import bound_memory
from pptsn.runtime.engines.onnxruntime.sessions import model_error

Views = npt.NDArray[np.float32]

# Views a call: enough for the kernels, few enough for the tensors inside, 90 MB a view at 224 px, to fit.
_BATCH = 4


class NetworkSession:
    """A per-view network, views (B, 3, S, S) float32 -> view_logits (B, C), in ONNX Runtime on the CPU.

    tensors: names of tensors inside that `watch` gives; they make it slower, as nothing fuses across them.
    optimise: False runs the graph as it is written, by which quantized graphs are judged.
    Raises ModelError for one that ONNX Runtime does not run, or that needs more memory than models may take.
    """

    def __init__(self, network: Network, *, tensors: Sequence[str] = (), optimise: bool = True) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cores()
        options.log_severity_level = 3
        bound_memory(onnxruntime, options)
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._tensors = list(tensors)
        model = _exposing(network.copy_model(), tensors) if tensors else network.model
        self._source = network.source
        with self._told("cannot load it"):
            self._session: Any = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )

    def logits(self, views: Views) -> Logits:
        """Return the logits (N, C) of `views` (N, 3, S, S)."""
        return np.concatenate([self._run([OUTPUT_NAME], batch)[0] for batch in _batches(views)])

    def watch(self, views: Views) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Yield the views and the watched tensors by name, for one batch of `views` after another."""
        for batch in _batches(views):
            values = self._run(self._tensors, batch) if self._tensors else []
            yield {INPUT_NAME: batch, **dict(zip(self._tensors, values, strict=True))}

    def _run(self, outputs: list[str], batch: Views) -> list[Any]:
        with self._told("failed to run it"):
            return run_session(self._session, outputs, {INPUT_NAME: batch})

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Raise ModelError for what ONNX Runtime raises in the block, where it does `what`."""
        try:
            yield
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise model_error(self._source, error, what, "convert the model again") from error


def _exposing(model: onnx.ModelProto, tensors: Iterable[str]) -> onnx.ModelProto:
    """Let `model` give `tensors` too, behind its own outputs, and return it."""
    given = {output.name for output in model.graph.output}
    further = [name for name in tensors if name not in given]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in further)
    return model


def _batches(views: Views) -> Iterator[Views]:
    for start in range(0, len(views), _BATCH):
        yield views[start : start + _BATCH]
