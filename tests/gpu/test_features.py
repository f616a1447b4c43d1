"""The second output of a plan, and of ONNX Runtime on a GPU, against the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.tensorrt.api import import_tensorrt
from pptsn.runtime.engines.tensorrt.cuda import open_cuda
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.model.file import ModelFile
from tests.convert.proven_models import write_proven
from tests.convert.residual_network import FEATURES, SIZE
from tests.gpu.test_engines import Needs
from tests.models import write_tiny_model

pytestmark = pytest.mark.gpu

# Of logits up to 13 and features up to 4; in INT8 on the CPU the first are 0.14 off, the second 0.05.
ROUNDING = {"fp32": 0.05, "fp16": 0.05, "int8-tensorrt": 0.3}


@pytest.fixture(scope="module", params=list(ROUNDING))
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def featured(precision: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_proven(tmp_path_factory.mktemp("features"), precision)


@pytest.fixture(scope="module")
def plan(needs: Needs, featured: Path) -> Path:
    return build(needs, featured)


def build(needs: Needs, model: Path) -> Path:
    """Build a plan of `model` beside it, by TensorRT for batches of 2 to 64."""
    needs(lambda: open_cuda(0))
    needs(lambda: import_tensorrt("tensorrt"))
    path = model.with_suffix(".engine")
    command = [sys.executable, "-m", "pptsn", "convert", "engine", str(model), "-o", str(path)]
    run = subprocess.run([*command, "--batch", "2,5,64"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return path


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def check(engine: Engine, model: Path, *, atol: float) -> None:
    """Compare features and logits with the CPU's, on batches of many sizes, with features and without in turn."""
    with open_engine(model, backend="onnxruntime", device="cpu", optimise=False) as reference:
        for seed, count in enumerate([5, 5, 5, 1, 64, 64, 64, 200, 5]):
            batch = crops(count, seed)
            expected = reference.infer_with_features(batch)
            found = engine.infer_with_features(batch)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, atol=atol)
            np.testing.assert_allclose(engine.infer(batch), expected[0], atol=atol)


@pytest.mark.parametrize("graphs", [False, True])
def test_a_plan_gives_the_features_of_the_cpu(plan: Path, featured: Path, precision: str, graphs: bool) -> None:
    with TensorRtEngine(ModelFile.open(plan), graphs=graphs) as engine:
        assert engine.features == FEATURES
        check(engine, featured, atol=ROUNDING[precision])


@pytest.mark.parametrize("backend", ["onnxruntime", "onnxruntime-tensorrt"])
def test_onnxruntime_on_the_gpu_gives_the_features_of_the_cpu(
    needs: Needs, featured: Path, precision: str, backend: str
) -> None:
    needs(lambda: open_engine(featured, backend=backend, device="cuda").close())
    with open_engine(featured, backend=backend, device="cuda") as engine:
        check(engine, featured, atol=ROUNDING[precision])


def test_a_plan_of_a_file_without_features_runs_and_says_what_to_do(needs: Needs, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    with open_engine(build(needs, model)) as engine:
        assert engine.infer(np.zeros((3, 32, 32, 3), np.uint8)).shape == (3, 4)
        with pytest.raises(UsageError, match="gives logits alone"):
            engine.infer_with_features(np.zeros((3, 32, 32, 3), np.uint8))
