"""TensorRT's lean and dispatch runtimes in its place: stand-ins, and what the wheels offer."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.engines import open_engine
from pptsn.runtime.engines.tensorrt.api import TensorRT, import_runtime
from pptsn.runtime.model.manifest import parse_version
from tests.runtime.engines.tensorrt.fake_gpu import FakeGpu, FakePlan, install_pycuda, means, tensorrt_module
from tests.runtime.engines.tensorrt.test_api import MODULES, SOURCES, lacking, named
from tests.runtime.engines.tensorrt.test_engine import crops, write_plan

LEAN, DISPATCH = "tensorrt_lean_bindings", "tensorrt_dispatch_bindings"


def small(plan: FakePlan) -> ModuleType:
    """Return a module like a small runtime: it builds nothing."""
    module = tensorrt_module(plan, "11.4.0.106")
    del module.Builder
    return module


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> FakePlan:
    """A plan on a machine with a GPU and nothing of TensorRT."""
    gpu = FakeGpu()
    install_pycuda(monkeypatch, gpu)
    for name in ("cuda", "tensorrt", LEAN, DISPATCH):
        monkeypatch.setitem(sys.modules, name, None)
    return FakePlan(gpu)


@pytest.mark.parametrize(("module", "part"), [(LEAN, "lean runtime"), (DISPATCH, "dispatch runtime")])
def test_a_version_compatible_plan_runs_without_tensorrt(
    plan: FakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, part: str
) -> None:
    monkeypatch.setitem(sys.modules, module, small(plan))
    path = write_plan(tmp_path / "m.engine", version_compatible=True)
    with open_engine(path) as engine:
        assert engine.description == f"tensorrt 11.4.0.106 on cuda:0 (Fake Orin) {part}"
        np.testing.assert_array_equal(engine.infer(crops(5)), means(crops(5)))


def test_another_plan_needs_tensorrt_itself(
    plan: FakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, LEAN, small(plan))
    with pytest.raises(MissingDependencyError, match=r"^tensorrt: .*pypi\.nvidia\.com$"):
        open_engine(write_plan(tmp_path / "m.engine"))


def test_where_there_is_neither_the_error_names_both(plan: FakePlan, tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"pypi\.nvidia\.com; or, .*pptsn\[lean,tensorrt\]"):
        open_engine(write_plan(tmp_path / "m.engine", version_compatible=True))


def test_tensorrt_itself_goes_before(plan: FakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, LEAN, small(plan))
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_module(plan, "10.3.0"))
    library = import_runtime("tensorrt", version_compatible=True)
    assert (library.version_text, library.part) == ("10.3.0", "")


def test_a_small_runtime_that_does_not_start_is_not_used(
    plan: FakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives an object all the same, which would end the process when a plan is handed to it."""
    module = small(plan)

    class Runtime(module.Runtime):
        def __init__(self, logger: Any) -> None:
            logger.log(1, "CUDA initialization failure with error: 35")
            super().__init__(logger)

    monkeypatch.setattr(module, "Runtime", Runtime)
    monkeypatch.setitem(sys.modules, LEAN, module)
    path = write_plan(tmp_path / "m.engine", version_compatible=True)
    with pytest.raises(MissingDependencyError, match=r"^tensorrt \(lean runtime\): .*error: 35.*nvidia-smi"):
        open_engine(path)
    assert "deserialise" not in plan.gpu.events


@pytest.mark.parametrize("name", [LEAN, DISPATCH])
def test_the_wheels_offer_all_that_running_a_plan_takes(name: str) -> None:
    module = pytest.importorskip(name)
    library = TensorRT("tensorrt", module, parse_version(module.__version__), module.__version__, "small")
    running = [path for path in SOURCES if path.parent.name == "tensorrt"]
    used = {*MODULES, "runtime", "engine", "context"}  # what else is asked after is the builder's
    seen = {chain for path in running for chain in named(path) if chain[0] in used}
    assert ("runtime", "deserialize_cuda_engine") in seen
    assert {chain for chain in seen if lacking(library, chain)} == {("module", "Builder")}
    assert library.version >= (11, 4)
