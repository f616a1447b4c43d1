"""A stand-in for the plugin of TensorRT-RTX, as its package and ONNX Runtime offer it: what runs is the CPU.

It is what the wheels of onnxruntime-ep-nv-tensorrt-rtx-cu13 0.5.0 and ONNX Runtime 1.32 have, tried with the real
library on a machine that pretended to have a GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

PACKAGE = "onnxruntime_ep_nv_tensorrt_rtx"
NAME = "NvTensorRTRTXExecutionProvider"
PLACE = "0000:65:00.0"
_COMPILED = b"compiled by TensorRT-RTX\n"


class RtxPlugin:
    """Makes the installed ONNX Runtime look like one whose plugin works, for one test.

    offered: where the GPUs sit that the plugin runs on, in its order.  shown: where those sit that CUDA counts.
    registered: the libraries that were loaded.  compiled: how often a model was.  sessions: all that were opened.
    compile_failure: what compiling fails with, if not "".  rejects: whether a compiled model is not taken back.
    run_failure: what each run fails with, if not "".
    during: called in each run, with the number of crops, by the thread that runs.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        offered: Sequence[str] = (PLACE,),
        shown: Sequence[str] = (PLACE,),
    ) -> None:
        import onnxruntime

        self.offered, self.shown = offered, shown
        self.registered: list[str] = []
        self.compiled = 0
        self.sessions: list[StandInSession] = []
        self.compile_failure = self.run_failure = ""
        self.rejects = False
        self.version, self.gpu_kind = "0.5.0", 9860
        self.during: Callable[[int], None] = lambda rows: None
        self._real = onnxruntime.InferenceSession
        self._library = Path("/no/such/folder", uuid4().hex, "libonnxruntime_providers_nv_tensorrt_rtx.so")
        self.options = _options_class(onnxruntime.SessionOptions)
        replaced: dict[str, Any] = {
            "__version__": "1.32.0",  # Python 3.10 has an older one
            "register_execution_provider_library": self._register,
            "get_available_providers": lambda: [*([NAME] if self.registered else []), "CPUExecutionProvider"],
            "get_ep_devices": self._devices,
            "SessionOptions": self.options,
            "ModelCompiler": self._compiler,
            "InferenceSession": self._session,
        }
        for name, value in replaced.items():
            monkeypatch.setattr(onnxruntime, name, value)
        monkeypatch.setitem(sys.modules, PACKAGE, self._package())
        monkeypatch.setattr("pptsn.runtime.engines.onnxruntime_rtx.library.pci_bus_id", self._place)

    def _package(self) -> ModuleType:
        package: Any = ModuleType(PACKAGE)
        package.__version__ = self.version
        package.get_ep_name = lambda: NAME
        package.get_library_path = lambda: str(self._library)
        return package  # type: ignore[no-any-return]

    def _place(self, index: int) -> str | None:
        return self.shown[index] if index < len(self.shown) else None

    def _register(self, name: str, library: str) -> None:
        assert name == NAME, "ONNX Runtime calls the devices by the name under which the library is loaded"
        assert not self.registered, "a library is loaded once"
        self.registered.append(library)

    def _devices(self) -> list[Any]:
        cpu = SimpleNamespace(ep_name="CPUExecutionProvider", device=SimpleNamespace(metadata={}))
        return [cpu, *(self._device(place) for place in self.offered if self.registered)]

    def _device(self, place: str) -> Any:
        metadata = {"Discrete": "1", "card_idx": "0", "pci_bus_id": place}
        hardware = SimpleNamespace(vendor_id=4318, device_id=self.gpu_kind, metadata=metadata)
        return SimpleNamespace(ep_name=NAME, ep_metadata={"target_architecture": "sm89"}, device=hardware)

    def _compiler(self, options: Any, path: str, *, embed_compiled_data_into_model: bool) -> Any:
        assert embed_compiled_data_into_model, "there is no file for it to lie in"
        return SimpleNamespace(compile_to_bytes=lambda: self._compile(Path(path)))

    def _compile(self, path: Path) -> bytes:
        self.compiled += 1
        if self.compile_failure:
            raise RuntimeError(self.compile_failure)
        return _COMPILED + path.read_bytes()

    def _session(self, model: bytes, options: Any, *, enable_fallback: int) -> StandInSession:
        assert enable_fallback == 0, "it would print, and go on with the CPU"
        if self.rejects and model.startswith(_COMPILED):
            self.rejects = False
            raise RuntimeError("the engine is of another version")
        real = self._real(model.removeprefix(_COMPILED), providers=["CPUExecutionProvider"])
        self.sessions.append(StandInSession(self, real, options))
        return self.sessions[-1]


class StandInSession:
    """An InferenceSession on a GPU that keeps kernels for the numbers of crops that it has run: `shapes`.

    places: where the GPUs sit that it runs on.  settings: of the provider.
    """

    def __init__(self, plugin: RtxPlugin, real: Any, options: Any) -> None:
        self.options, self.shapes = options, list[int]()
        self.places = [each.device.metadata["pci_bus_id"] for each in options.devices]
        self.settings: dict[str, str] = options.settings
        self._plugin, self._real = plugin, real

    def get_inputs(self) -> Any:
        return self._real.get_inputs()

    def get_outputs(self) -> Any:
        return self._real.get_outputs()

    def run(self, outputs: list[str] | None, fed: dict[str, Any]) -> Any:
        (crops,) = fed.values()
        if "nv_profile_max_shapes" in self.settings:
            most = int(self.settings["nv_profile_max_shapes"].partition(":")[2].partition("x")[0])
            assert 1 <= len(crops) <= most, "compiled for fewer"
        self.shapes.append(len(crops))
        self._plugin.during(len(crops))
        if self._plugin.run_failure:
            raise RuntimeError(self._plugin.run_failure)
        if "nv_runtime_cache_path" in self.settings:
            Path(self.settings["nv_runtime_cache_path"], "partition_0").write_bytes(bytes(100 * len(self.shapes)))
        return self._real.run(outputs, fed)


def _options_class(real: Any) -> Any:
    """Return a subclass of onnxruntime.SessionOptions that takes the plugin's devices: `devices`, `settings`."""

    class Options(real):  # type: ignore[misc]
        devices: Sequence[Any] = ()
        settings: dict[str, str] = {}  # noqa: RUF012

        def add_provider_for_devices(self, devices: Sequence[Any], settings: dict[str, str]) -> None:
            assert len(devices) == 1, "the plugin takes one device"
            assert all(isinstance(value, str) for value in settings.values())
            self.devices, self.settings = devices, settings

    return Options
