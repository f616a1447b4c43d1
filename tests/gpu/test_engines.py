"""Engines on a GPU against ONNX Runtime on the CPU."""

import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.host_memory import HostCrops
from pptsn.runtime.engines.tensorrt.api import import_tensorrt
from pptsn.runtime.engines.tensorrt.cuda import open_cuda
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import BUILDERS

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[2]
Needs = Callable[[Callable[[], object]], None]


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Return crops of one colour each, dark or noisy on the left, so that each has logits of its own."""
    random = np.random.default_rng(seed)
    pictures = np.broadcast_to(random.integers(0, 256, (count, 1, 1, 3), np.uint8), (count, 32, 32, 3)).copy()
    pictures[::2, :, :16] //= 2
    pictures[::3, :, :16] = random.integers(0, 256, pictures[::3, :, :16].shape, np.uint8)
    return pictures


def check(engine: Engine, model: Path, *, atol: float = 2e-2) -> None:
    """Compare `engine` with the CPU on batches of many sizes, some of them again and again.

    atol: of logits between -4 and 4.  TensorRT takes TF32 for FP32 unless told otherwise; FP16 is rougher.
    """
    with open_engine(model, device="cpu") as reference:
        for seed, count in enumerate([1, 5, 5, 5, 5, 3, 64, 64, 64, 65, 200, 5, 64]):
            expected = reference.infer(crops(count, seed))
            np.testing.assert_allclose(engine.infer(crops(count, seed)), expected, atol=atol)


@pytest.mark.parametrize("backend", ["onnxruntime", "onnxruntime-tensorrt"])
def test_onnxruntime_on_the_gpu_gives_what_the_cpu_gives(needs: Needs, model: Path, backend: str) -> None:
    needs(lambda: open_engine(model, backend=backend, device="cuda").close())
    with open_engine(model, backend=backend, device="cuda") as engine:
        check(engine, model, atol=1e-4 if (backend, model.stem) == ("onnxruntime", "fp32") else 2e-2)


def test_opening_and_running_print_nothing(needs: Needs, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    needs(lambda: open_engine(model, backend="onnxruntime", device="cuda").close())
    capfd.readouterr()
    with open_engine(model, backend="onnxruntime", device="cuda") as engine:
        engine.infer(crops(5))
        engine.infer(crops(1))
    assert capfd.readouterr() == ("", "")


def test_tensorrt_rtx_inside_onnxruntime_gives_what_the_cpu_gives(model: Path) -> None:
    """It is installed on RTX machines alone."""
    if find_spec("onnxruntime_ep_nv_tensorrt_rtx") is None:
        pytest.skip("its plugin is not installed")
    for _ in range(2):  # compiled, then taken from the cache
        try:
            with open_engine(model, backend="onnxruntime-tensorrt-rtx", device="cuda") as engine:
                check(engine, model)
        except MissingDependencyError as error:
            if "does not offer it" not in error.cause:
                raise
            pytest.skip(str(error))


@pytest.mark.parametrize("tuning", ["fast", "full"])
def test_onnxruntime_runs_two_batches_at_once_without_mixing_them_up(
    needs: Needs, model: Path, tuning: str
) -> None:
    needs(lambda: open_engine(model, device="cuda").close())
    pictures = [np.full((40, 40, 3), value, np.uint8) for value in range(0, 250, 5)]
    answers = []
    for device in ("cuda", "cpu"):
        with (
            open_engine(model, device=device, tuning=tuning) as engine,
            CropBatcher(engine, views="ten", batch_size=20) as batcher,
        ):
            for clip, picture in enumerate(pictures):
                batcher.add(clip, picture, 1)
                if clip % 7 == 0:
                    batcher.flush()
            batcher.flush()
            answers.append([taken.mean() for clip in range(len(pictures)) if (taken := batcher.take(clip))])
    np.testing.assert_allclose(answers[0], answers[1], atol=2e-2)


def test_batches_of_onnxruntime_lie_in_page_locked_memory(needs: Needs, model: Path) -> None:
    needs(lambda: open_engine(model, device="cuda").close())
    if not HostCrops(import_onnxruntime(), (1, 32, 32, 3)).page_locked:
        pytest.skip("this ONNX Runtime lends none")
    with open_engine(model, device="cuda") as engine:
        batch, _ = engine.new_batches()
        batch.crops[:5] = crops(5)
        batch.submit(5)
        np.testing.assert_array_equal(batch.collect(), engine.infer(crops(5)))


def test_auto_takes_the_gpu(needs: Needs, model: Path) -> None:
    needs(lambda: open_engine(model, device="cuda").close())
    with open_engine(model) as engine:
        assert "cuda:0" in engine.description


def builders() -> list[str]:
    """Return TensorRT, and TensorRT-RTX where it is installed: a Jetson or a server has no use for it."""
    return [name for name in BUILDERS if name == "tensorrt" or find_spec("tensorrt_rtx_bindings")]


@pytest.fixture(params=builders())
def plan(request: pytest.FixtureRequest, needs: Needs, model: Path, tmp_path: Path) -> Path:
    needs(lambda: open_cuda(0))
    needs(lambda: import_tensorrt(request.param))
    path = tmp_path / "m.engine"
    command = [sys.executable, "-m", "pptsn", "convert", "engine", str(model), "-o", str(path)]
    command += ["--builder", request.param, "--batch", "2,5,64"]
    if request.param == "tensorrt-rtx":
        command += ["--compute-capability", open_cuda(0).compute_capability]
    run = subprocess.run(command, capture_output=True, text=True)
    if request.param == "tensorrt-rtx" and run.returncode:
        pytest.skip(f"TensorRT-RTX does not build for this GPU: {run.stderr[-300:]}")
    assert run.returncode == 0, run.stderr
    return path


@pytest.mark.parametrize("graphs", [False, True])
def test_a_plan_gives_what_the_cpu_gives(plan: Path, model: Path, graphs: bool) -> None:
    with TensorRtEngine(ModelFile.open(plan), graphs=graphs) as engine:
        check(engine, model)


def test_a_plan_works_in_another_thread_and_is_closed_there(plan: Path, model: Path) -> None:
    engine = TensorRtEngine(ModelFile.open(plan))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            check(engine, model)
            engine.close()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
    engine.close()


def test_batches_in_flight_are_not_mixed_up(plan: Path, model: Path) -> None:
    pictures = [np.full((40, 40, 3), value, np.uint8) for value in range(0, 250, 5)]
    answers = []
    for engine in (open_engine(plan), open_engine(model, device="cpu")):
        with engine, CropBatcher(engine, views="ten") as batcher:
            for clip, picture in enumerate(pictures):
                batcher.add(clip, picture, 1)
            batcher.flush()
            answers.append([taken.mean() for clip in range(len(pictures)) if (taken := batcher.take(clip))])
    np.testing.assert_allclose(answers[0], answers[1], atol=2e-2)


def test_opening_and_closing_leaks_no_memory(plan: Path) -> None:
    cuda = open_cuda(0)
    TensorRtEngine(ModelFile.open(plan)).close()
    with cuda.current():
        before = cuda.free_bytes()
    for _ in range(5):
        with TensorRtEngine(ModelFile.open(plan)) as engine:
            engine.infer(crops(9))
    with cuda.current():
        after = cuda.free_bytes()
    assert before is not None
    assert after is not None
    assert before - after < 50_000_000
