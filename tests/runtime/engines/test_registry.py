"""Which backend opens a model, and that the file is read once for it, whichever way is taken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.plugins import PluginError
from pptsn.runtime.engines import Backend, Choices, Engine, open_engine
from pptsn.runtime.engines.backend import NoOptions
from pptsn.runtime.engines.base import Logits
from pptsn.runtime.engines.registry import BACKENDS, backend_runs, backends_help, failing_packages, parse_backend
from pptsn.runtime.frames.preprocess import Frame
from pptsn.runtime.recognizer import Recognizer
from tests.models import needs_openvino, write_tiny_model
from tests.runtime.engines.onnxruntime.cuda_build import CUDA, TENSORRT, CudaBuild
from tests.runtime.engines.onnxruntime.test_engine import write_int8
from tests.runtime.engines.onnxruntime_rtx.rtx_plugin import RtxPlugin
from tests.runtime.engines.tensorrt.fake_gpu import FakeGpu, FakePlan, install_pycuda, tensorrt_module
from tests.runtime.engines.tensorrt.test_engine import VERSION, write_plan
from tests.runtime.model.hashing import HashedBytes

Ready = Callable[[pytest.MonkeyPatch], object]

# The metadata behind a model's digest, a manifest's own digest: what is hashed beside a file's bytes.
_MOST_BESIDE = 3000


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> HashedBytes:
    return HashedBytes(monkeypatch)


@pytest.mark.parametrize(
    ("ready", "options"),
    [
        (lambda patch: None, {}),
        (lambda patch: None, {"backend": "onnxruntime"}),
        (lambda patch: None, {"device": "cpu"}),
        pytest.param(lambda patch: None, {"backend": "openvino?cache=0"}, marks=needs_openvino),
        (lambda patch: CudaBuild(patch, CUDA), {}),
        (lambda patch: CudaBuild(patch), {}),  # a GPU that does not start
        (lambda patch: CudaBuild(patch, CUDA), {"device": "cuda"}),
        (lambda patch: CudaBuild(patch, CUDA, TENSORRT), {"backend": "onnxruntime-tensorrt"}),
        (lambda patch: RtxPlugin(patch), {"backend": "onnxruntime-tensorrt-rtx?cache=0"}),
    ],
)
@pytest.mark.parametrize("target", ["", "cpu", "tensorrt"])
def test_a_graph_is_hashed_once_whatever_opens_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hashed: HashedBytes,
    ready: Ready,
    options: dict[str, str],
    target: str,
) -> None:
    ready(monkeypatch)
    monkeypatch.setattr("pptsn.runtime.engines.auto.processor_features", frozenset)  # which takes no cache
    path = tmp_path / "m.onnx"
    model = write_int8(path, target) if target else write_tiny_model(path)
    hashed.count = 0
    with suppress(UsageError):  # a backend that does not run files for CPUs
        open_engine(model, **options).close()  # type: ignore[arg-type]
    size = model.stat().st_size
    assert size - 200 <= hashed.count <= size
    assert size > 10 * _MOST_BESIDE


def test_a_recognizer_hashes_its_model_once(tmp_path: Path, hashed: HashedBytes) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    hashed.count = 0
    Recognizer.open(model).close()
    assert hashed.count <= model.stat().st_size


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_a_plan_and_its_graph_are_hashed_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hashed: HashedBytes, backend: str
) -> None:
    gpu = FakeGpu()
    install_pycuda(monkeypatch, gpu)
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_module(FakePlan(gpu), VERSION))
    content = bytes(100 * _MOST_BESIDE)
    plan = write_plan(tmp_path / "m.engine", content=content)
    hashed.count = 0
    open_engine(plan, backend=backend).close()
    assert len(content) <= hashed.count <= len(content) + 3 * _MOST_BESIDE


def test_the_options_of_a_backend_follow_its_name(tmp_path: Path) -> None:
    name, options = parse_backend("tensorrt?graphs=0")
    assert (name, options.graphs) == ("tensorrt", False)
    assert parse_backend("tensorrt")[1].graphs is True
    with pytest.raises(UsageError, match="--backend tensorrt: graphs=no is out of range; expected 0 or 1"):
        parse_backend("tensorrt?graphs=no")
    assert parse_backend("onnxruntime")[1].graphs is False
    with pytest.raises(UsageError, match="--backend onnxruntime-tensorrt: unknown option 'graphs'; it takes none"):
        open_engine(tmp_path / "m.onnx", backend="onnxruntime-tensorrt?graphs=0")
    with pytest.raises(UsageError, match="--backend auto: unknown option 'graphs'"):
        open_engine(tmp_path / "m.onnx", backend="auto?graphs=0")


def test_the_option_graphs_reaches_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.runtime.engines.tensorrt.fake_gpu import install_cuda_bindings

    gpu = FakeGpu()
    install_pycuda(monkeypatch, gpu)
    install_cuda_bindings(monkeypatch, gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_module(FakePlan(gpu), VERSION))
    plan = write_plan(tmp_path / "m.engine")
    with open_engine(plan, backend="tensorrt") as engine:
        assert engine.identity.remark == "with CUDA graphs"
    with open_engine(plan, backend="tensorrt?graphs=0") as engine:
        assert engine.identity.remark == ""


@pytest.mark.parametrize(
    ("backend", "name", "runs"),
    [
        ("onnxruntime", "m.ONNX", True),
        ("onnxruntime-tensorrt", "m.engine", False),
        ("onnxruntime-tensorrt-rtx?cache=0", "m.onnx", True),
        ("tensorrt?graphs=0", "m.engine", True),
        ("tensorrt-rtx", "m.onnx", False),
    ],
)
def test_a_backend_knows_its_files_by_their_names(backend: str, name: str, runs: bool) -> None:
    assert backend_runs(backend, Path(name)) is runs


def test_help_and_faults_are_those_of_all_backends() -> None:
    assert all(f"{name} (" in backends_help() for name in BACKENDS.own_names)
    assert {"onnxruntime", "openvino", "tensorrt", "tensorrt_rtx_bindings", "pycuda", "cuda"} <= failing_packages()


def test_listing_the_backends_loads_no_library() -> None:
    load = "import sys; from pptsn.runtime.engines.registry import backends_help"
    code = f"{load}; backends_help(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "av", "onnxruntime", "openvino", "tensorrt", "pycuda"} & set(run.stdout.split())


class NoEngine(Backend[NoOptions]):
    """Of a plugin; what it returns is no Engine, or one that says nothing of itself."""

    returned: ClassVar[Any] = None

    def open(self, path: Path, choices: Choices, options: NoOptions) -> Engine:
        return self.returned  # type: ignore[no-any-return]


class Silent(Engine):
    def _infer(self, crops: Frame) -> Logits:
        raise AssertionError("nobody asked it")

    def close(self) -> None:
        pass


class HalfSilent(Silent):
    batch_size = 1


@pytest.mark.parametrize(
    ("returned", "cause"),
    [
        (None, r"its open\(\) returned None, not a pptsn\.runtime\.engines\.Engine"),
        ("m.onnx", r"its open\(\) returned 'm\.onnx', not a"),
        (ExitStack(), r"its open\(\) returned <contextlib\.ExitStack object.*>, not a"),
        (Silent(), "its engine does not set spec, identity, batch_size"),
        (HalfSilent(), r"its engine does not set spec, identity\)"),
    ],
)
def test_a_plugin_that_opens_no_engine_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, returned: object, cause: str
) -> None:
    entry = metadata.EntryPoint("odd", f"{__name__}:NoEngine", BACKENDS.group)
    monkeypatch.setitem(vars(BACKENDS), "_found", {"odd": [entry]})
    monkeypatch.setattr(BACKENDS, "_loaded", {})
    monkeypatch.setattr(BACKENDS, "_instances", {})
    monkeypatch.setattr(NoEngine, "returned", returned)
    with pytest.raises(PluginError, match=rf"plugin odd .*: failed to open the model \(TypeError: {cause}"):
        open_engine(tmp_path / "m.onnx", backend="odd")


def test_a_backend_of_our_own_is_found_without_a_look_at_what_is_installed(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    script = """
import sys
from importlib import metadata
metadata.entry_points = lambda **selection: sys.exit("looked")
from pptsn.runtime.engines import open_engine
for backend in ("auto", "onnxruntime"):
    open_engine(sys.argv[1], backend=backend, device="cpu").close()
"""
    run = subprocess.run([sys.executable, "-c", script, str(model)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
