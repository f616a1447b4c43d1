"""A stand-in for ONNX Runtime's CUDA build: what it computes is the CPU's, its memory ordinary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
CPU = "CPUExecutionProvider"


class CudaBuild:
    """Makes the installed ONNX Runtime look like its CUDA build, for one test.

    starts: the providers that work.
    asked: of each session, the providers with their options.  sessions: all that were opened.
    output: what it prints where a provider does not start.
    failure: what each run fails with, if not "".
    graph_failure: what the first run of a session with a CUDA graph fails with, if not "".
    stale_graphs: whether such a session gives what it gave first, whatever its input holds.
    during: called in each run, with the number of crops, by the thread that runs.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *starts: str) -> None:
        import onnxruntime

        self.starts = starts
        self.asked: list[list[Any]] = []
        self.sessions: list[StandInSession] = []
        self.output = self.failure = self.graph_failure = ""
        self.stale_graphs = False
        self.during: Callable[[int], None] = lambda rows: None
        self._real = onnxruntime.InferenceSession
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", self.session)
        monkeypatch.setattr(onnxruntime, "OrtValue", _ort_value(onnxruntime.OrtValue))
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudnn.so.9"))

    @property
    def shape_changes(self) -> int:
        """How often a session had to prepare itself for another number of crops than the one before."""
        return sum(a != b for each in self.sessions for a, b in zip(each.shapes, each.shapes[1:], strict=False))

    def session(self, path: str, options: object, providers: list[Any]) -> StandInSession:
        names = [each if isinstance(each, str) else each[0] for each in providers]
        self.asked.append(providers)
        if self.output and len(names) > 1:  # as it does before it falls back to the CPU
            print(self.output)
        real = self._real(path, options, providers=[CPU])
        started = [name for name in names if name in (*self.starts, CPU)]
        recorded = any(each[1].get("enable_cuda_graph") == 1 for each in providers if not isinstance(each, str))
        self.sessions.append(StandInSession(self, real, started, recorded=recorded))
        return self.sessions[-1]


class StandInSession:
    """An InferenceSession that remembers the number of crops of each run by a binding: `shapes`.

    recorded: it replays a CUDA graph, so each run is by the same thread, with the same binding.
    """

    def __init__(self, build: CudaBuild, real: Any, providers: list[str], *, recorded: bool = False) -> None:
        self.real, self.shapes, self.recorded = real, list[int](), recorded
        self._build, self._providers = build, providers
        self._users: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get_providers(self) -> list[str]:
        return self._providers

    def io_binding(self) -> _Binding:
        return _Binding(self.real.io_binding())

    def run_with_iobinding(self, binding: _Binding) -> None:
        with self._lock:
            self.shapes.append(binding.rows)
            self._users.add((threading.get_ident(), id(binding)))
        self._build.during(binding.rows)
        if self._build.failure:
            raise RuntimeError(self._build.failure)
        if self.recorded:
            assert len(self._users) == 1
            assert binding.on_device
            if self._build.graph_failure:
                raise RuntimeError(self._build.graph_failure)
            if self._build.stale_graphs and len(self.shapes) > 1:
                return
        self.real.run_with_iobinding(binding.real)


class _Binding:
    """An IOBinding that knows the number of crops of its input."""

    def __init__(self, real: Any) -> None:
        self.real, self.rows, self.on_device = real, 0, False

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.rows = value.shape()[0]
        self.real.bind_ortvalue_input(name, value)

    def bind_ortvalue_output(self, name: str, value: Any) -> None:
        self.on_device = value in _on_device
        self.real.bind_ortvalue_output(name, value)


_on_device: WeakSet[Any] = WeakSet()  # the values that count as the GPU's


def _ort_value(real: Any) -> SimpleNamespace:
    """Return a stand-in for the class OrtValue whose CUDA memory is ordinary memory."""

    def on_device(shape: list[int], dtype: object, kind: str, index: int) -> object:
        assert (kind, index) == ("cuda", 0)
        value = real.ortvalue_from_shape_and_type(shape, dtype, "cpu", 0)
        _on_device.add(value)
        return value

    return SimpleNamespace(ortvalue_from_shape_and_type=on_device, ortvalue_from_numpy=real.ortvalue_from_numpy)
