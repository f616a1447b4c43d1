"""Models compiled by TensorRT-RTX inside ONNX Runtime, and kept so that the next start is quicker."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pptsn.runtime.base.caches import FileCache, cache_folder
from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.engines.device import Device
from pptsn.runtime.engines.onnxruntime.sessions import check_interface, gpu_error, is_out_of_memory
from pptsn.runtime.engines.onnxruntime_rtx.library import RtxProvider, words_of
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.spec import CROPS, ModelSpec

_CACHED_ENTRIES, _CACHE_BYTES = 32, 1 << 30


def compiled_models() -> FileCache:
    """Return where compiled models and kernels are kept: `~/.cache/pptsn/onnxruntime-tensorrt-rtx`.

    Two entries a model: what is compiled of it for a kind of GPU, and a folder of the kernels that the provider
    compiles for the numbers of crops that come.
    """
    return FileCache(cache_folder("onnxruntime-tensorrt-rtx"), entries=_CACHED_ENTRIES, size=_CACHE_BYTES)


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """What a model is compiled by.

    onnxruntime: the module.  provider: on the GPU that it is compiled for, which is `device`.
    largest_batch: crops a call; it may be less.
    """

    onnxruntime: Any
    provider: RtxProvider
    device: Device
    largest_batch: int

    def open_session(self, file: ModelFile, cache: FileCache | None) -> Any:
        """Return a session with the graph in `file`, compiled for the GPU or taken from `cache`.

        Raises ModelError where TensorRT-RTX refuses the graph or a part of it, DeviceError where the GPU has too
        little memory.
        """
        key = self._key(file) if cache else ""
        kernels = cache.subfolder(f"{key}.kernels") if cache else None
        settings = self._profile(file.spec)
        if kernels is not None:
            settings["nv_runtime_cache_path"] = str(kernels)
        kept = cache.load(key) if cache else None
        if kept is not None:
            with suppress(Exception):  # it was whole, and still this build does not take it: made again
                return self._session(kept.tobytes(), settings)
        try:
            compiled = self._compiled(file, settings)
            session = self._session(compiled, settings)
        except Exception as error:  # ONNX Runtime's exceptions share no base class but this
            if is_out_of_memory(str(error)):
                raise gpu_error(self.device, str(error)) from error
            cause = f"TensorRT-RTX cannot load it ({words_of(error)})"
            remedy = "convert the model again, or use --backend onnxruntime"
            raise ModelError(file.path, cause, remedy) from error
        check_interface(session, file.path, file.spec)
        if cache:
            cache.store(key, compiled)
        return session

    def _compiled(self, file: ModelFile, settings: dict[str, str]) -> bytes:
        compiler = self.onnxruntime.ModelCompiler(
            self._options(settings), str(file.path), embed_compiled_data_into_model=True
        )
        compiled: bytes = compiler.compile_to_bytes()
        return compiled

    def _session(self, compiled: bytes, settings: dict[str, str]) -> Any:
        # No fallback: it would print, and go on with the CPU.
        return self.onnxruntime.InferenceSession(compiled, self._options(settings), enable_fallback=0)

    def _options(self, settings: dict[str, str]) -> Any:
        options = self.onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come back as exceptions
        # TensorRT-RTX gets the graph as `convert engine` gives it: what ONNX Runtime fuses of it is for itself.
        options.graph_optimization_level = self.onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # All of it or nothing: what TensorRT-RTX refuses would run on the CPU, in silence.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        self.provider.add_to(options, settings)
        return options

    def _profile(self, spec: ModelSpec) -> dict[str, str]:
        """Return the provider's settings for the numbers of crops that may come."""
        smallest, largest = (
            f"{CROPS}:{count}x{spec.crop_size}x{spec.crop_size}x3" for count in (1, self.largest_batch)
        )
        return {
            "nv_profile_min_shapes": smallest,
            "nv_profile_opt_shapes": largest,
            "nv_profile_max_shapes": largest,
        }

    def _key(self, file: ModelFile) -> str:
        """Return a name for what compiling gives: it depends on the model, the versions, the GPU and the crops."""
        gpu = self.provider.gpu
        facts = [
            file.sha256,
            self.onnxruntime.__version__,
            self.provider.version,
            [gpu.device.vendor_id, gpu.device.device_id, gpu.ep_metadata.get("target_architecture")],
            sorted(self._profile(file.spec).items()),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
