"""Models compiled by OpenVINO, and kept so that the next start is quicker."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.runtime.base.caches import Bytes, FileCache, cache_folder
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines.model_memory import most_bytes, too_much
from pptsn.runtime.engines.openvino.memory_bound import computed_early, peak_bytes
from pptsn.runtime.model.file import ModelFile

_DEVICE = "CPU"
_CACHED_MODELS, _CACHE_BYTES = 16, 1 << 30


def compiled_models() -> FileCache:
    """Return where compiled models are kept: `~/.cache/pptsn/openvino`."""
    return FileCache(cache_folder("openvino"), entries=_CACHED_MODELS, size=_CACHE_BYTES)


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """How a model is compiled.

    threads: CPU threads of all streams.
    streams: how many calls are worked on side by side, by a share of the threads each.
    precision: that FP32 is multiplied in: "f32" or "bf16".  OpenVINO's own choice would be bfloat16 wherever the
        CPU has it.
    """

    threads: int
    streams: int = 1
    precision: str = "f32"

    def config(self) -> dict[str, Any]:
        """Return OpenVINO's properties for it."""
        return {
            "PERFORMANCE_HINT": "LATENCY" if self.streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": self.precision,
            # Pinned threads share a core with whoever else pins: a second process, or a decoder.
            "ENABLE_CPU_PINNING": False,
        }


@dataclass(frozen=True)
class Compiled:
    """An openvino.CompiledModel, and the memory that its weights lie in where it came from a cache.

    OpenVINO copies nothing and holds nothing of that memory: it has to outlive the model and its requests.
    """

    model: Any
    memory: Bytes | None = None


def compile_model(
    openvino: Any, file: ModelFile, how: Compilation, cache: FileCache | None, *, crops: int
) -> Compiled:
    """Return what OpenVINO makes of the graph in `file`, from `cache` where it is there, else kept there.

    crops: that are worked on at a time, by all streams.
    Raises ModelError where OpenVINO refuses the graph, or where it asks for more memory than models may take.
    """
    core = openvino.Core()
    key = _key(openvino, core, file, how) if cache else ""
    kept = cache.load(key) if cache else None
    if kept is not None:
        with suppress(RuntimeError):  # it was whole, and still this build does not take it: made again
            tensor = openvino.Tensor(kept, shared_memory=True)
            return Compiled(core.import_model(tensor, _DEVICE, how.config()), kept)
    try:
        model = _read_model(core, file.path, crops)
        compiled = core.compile_model(model, _DEVICE, how.config())
    except RuntimeError as error:
        cause = f"OpenVINO cannot load it ({last_line(error)})"
        raise ModelError(file.path, cause, "convert the model again, or use --backend onnxruntime") from error
    if cache:
        cache.store(key, compiled.export_model().getvalue())
    return Compiled(compiled)


def _read_model(core: Any, path: Path, crops: int) -> Any:
    """Return the graph at `path`; raises ModelError where it asks for more memory than models may take."""
    cause = ""
    if early := computed_early(path):
        cause = f"has an operator ({early}) for which OpenVINO may take any memory"
    else:
        model = core.read_model(str(path))
        peak = peak_bytes(model.clone(), crops)
        if peak is None:
            cause = "has tensors whose sizes depend on their values, for which OpenVINO may take any memory"
        elif peak > most_bytes():
            raise too_much(path)
    if cause:
        raise ModelError(path, cause, "use --backend onnxruntime")
    return model


def last_line(error: RuntimeError) -> str:
    """Return what went wrong; the lines before it name OpenVINO's own source files."""
    return str(error).strip().splitlines()[-1]


def _key(openvino: Any, core: Any, file: ModelFile, how: Compilation) -> str:
    """Return a name for what compiling gives: it depends on the model, OpenVINO, the processor and the choices."""
    facts = [
        file.sha256,
        openvino.__version__,
        core.get_property(_DEVICE, "FULL_DEVICE_NAME"),
        sorted(core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")),
        sorted(how.config().items()),
        most_bytes(),  # a model that was found to fit into more
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
