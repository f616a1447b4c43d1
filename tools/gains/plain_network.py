"""The per-view network inside a deployment graph, by itself: what others deploy.

`pptsn.convert.graph.network` takes it out; here it is run, and written for other runtimes.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pptsn.runtime.base.closing import Closing
from pptsn.runtime.base.cores import available_cores
from pptsn.runtime.base.errors import MissingDependencyError, ModelError, install_command
from pptsn.runtime.base.files import atomic_file
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.providers import CPU

Views = npt.NDArray[np.float32]


class PlainNetwork(Closing):
    """The per-view network of an FP32 model, run by ONNX Runtime on the CPU; errors as `write_plain_network`."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = 3
        network = _load_network(model, ("fp32",)).SerializeToString()
        self._session: Any = onnxruntime.InferenceSession(network, options, providers=[CPU])
        self._input = self._session.get_inputs()[0].name

    def infer(self, views: Views) -> Logits:
        """Return the logits (N, C) float32 of `views` (N, 3, S, S) float32, normalised."""
        if self._session is None:
            raise ValueError("the network is closed")
        (logits,) = self._session.run(None, {self._input: views})
        result: Logits = logits
        return result

    def close(self) -> None:
        """Release the network."""
        self._session = None


def write_plain_network(model: str | Path, path: Path, *, precisions: Collection[str] = ("fp32",)) -> Path:
    """Write the network of the deployment graph at `model` to `path`, and return `path`.

    The network takes views (N, 3, S, S) float32, normalised by the spec's mean and std, and returns their logits
    (N, C) float32.  The mean over a crop and its mirror image, which the deployment graph takes, is left to the
    caller.

    precisions: those that the caller takes.  In FP16 the network takes and gives FP32 too, and casts inside.
    Raises ModelError for a graph in another precision, or that is put together in another way, and
    MissingDependencyError without the package `onnx`.
    """
    network = _load_network(model, precisions)
    for value in (network.graph.input[0], network.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    with atomic_file(path) as temporary:
        temporary.write_bytes(network.SerializeToString())
    return path


def _load_network(model: str | Path, precisions: Collection[str]) -> Any:
    """Return the network of the model as an onnx.ModelProto; errors as `write_plain_network`."""
    try:
        import onnx  # noqa: F401 - so that its absence has a name

        from pptsn.convert.graph.files import load_model
        from pptsn.convert.graph.network import extract_network
    except ImportError as error:
        cause = f"taking the network out of a model needs it ({error})"
        raise MissingDependencyError("onnx", cause, f"run: {install_command('convert')}") from error
    graph, spec = load_model(model)
    if spec.precision not in precisions:
        needed = " or ".join(precision.upper() for precision in precisions)
        cause = f"is in {spec.precision.upper()}, the plain way needs {needed}"
        raise ModelError(model, cause, f"name the {needed} model that it was made from")
    network = extract_network(graph, spec, source=model).copy_model()
    del network.graph.output[1:]  # of the plain way nobody asks for features
    return network
