"""ONNX Runtime with TensorRT-RTX inside, by a stand-in for its plugin: what it asks for, and what it gives."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from pptsn.runtime.base.errors import ModelError, UsageError
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.engines import DeviceError, open_engine
from tests.models import write_tiny_model
from tests.runtime.engines.onnxruntime.test_engine import write_int8
from tests.runtime.engines.onnxruntime_rtx.rtx_plugin import RtxPlugin

NAME = "onnxruntime-tensorrt-rtx"
UNCACHED = f"{NAME}?cache=0"
pytestmark = pytest.mark.usefixtures("home")
_WAIT_S = 20


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RtxPlugin:
    return RtxPlugin(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def expected_logits(model: Path, batch: np.ndarray) -> np.ndarray:
    session = onnxruntime.capi.onnxruntime_inference_collection.InferenceSession(
        str(model), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(None, {"crops": batch})
    return np.asarray(logits)


def kept(home: Path) -> list[Path]:
    return sorted((home / f".cache/pptsn/{NAME}").glob("*"))


def test_any_number_of_crops_gives_what_the_graph_gives_in_few_sizes(plugin: RtxPlugin, model: Path) -> None:
    with open_engine(model, backend=UNCACHED) as engine:
        for count in (1, 5, 6, 9, 31, 64, 65, 131):
            batch = crops(count, count)
            np.testing.assert_allclose(engine.infer(batch), expected_logits(model, batch), atol=1e-6)
    (session,) = plugin.sessions
    assert set(session.shapes) == {5, 8, 16, 32, 64}


def test_it_says_what_it_is(plugin: RtxPlugin, model: Path) -> None:
    with open_engine(model, backend=UNCACHED) as engine:
        assert (engine.identity.backend, engine.identity.device) == (NAME, "cuda:0")
        assert (engine.identity.version, engine.identity.precision) == (onnxruntime.__version__, "fp32")
        assert engine.identity.on_gpu
        assert engine.description.endswith("in batches of 5, 8, 16, 32 or 64 crops, by its plugin 0.5.0")
        assert engine.notes == ()
        with CropBatcher(engine, views="center", batch_size=20):
            assert "in batches of 1, 4, 8, 16 or 20 crops" in engine.details[0]
        assert engine.details[2] == "crops are copied from ordinary memory"


def test_it_is_compiled_for_up_to_a_full_batch_as_it_is_written(plugin: RtxPlugin, model: Path) -> None:
    open_engine(model, backend=UNCACHED).close()
    (session,) = plugin.sessions
    assert session.settings == {
        "nv_profile_min_shapes": "crops:1x32x32x3",
        "nv_profile_opt_shapes": "crops:64x32x32x3",
        "nv_profile_max_shapes": "crops:64x32x32x3",
    }
    assert session.options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert session.options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"  # all or nothing


def test_a_larger_batch_than_it_is_compiled_for_is_refused(plugin: RtxPlugin, model: Path) -> None:
    with (
        open_engine(model, backend=UNCACHED) as engine,
        pytest.raises(UsageError, match=r"--batch: .*at most 64"),
    ):
        engine.new_batches(65)


def test_two_batches_are_in_flight(plugin: RtxPlugin, model: Path) -> None:
    both = threading.Barrier(2)
    plugin.during = lambda rows: (both.wait(_WAIT_S), None)[1]
    with open_engine(model, backend=UNCACHED) as engine:
        first, second = engine.new_batches()
        for batch, seed in ((first, 1), (second, 2)):
            batch.crops[:7] = crops(7, seed)
            batch.submit(7)  # returns although the run cannot end before the other one has begun
        for batch, seed in ((first, 1), (second, 2)):
            np.testing.assert_allclose(batch.collect(), expected_logits(model, crops(7, seed)), atol=1e-6)


def test_an_int8_file_for_tensorrt_runs_and_one_for_cpus_does_not(plugin: RtxPlugin, tmp_path: Path) -> None:
    with open_engine(write_int8(tmp_path / "t.onnx", "tensorrt"), backend=UNCACHED) as engine:
        assert (engine.identity.precision, engine.notes) == ("int8", ())
    cause = r"c\.onnx: is encoded for CPUs, in uint8 with zero points, .* convert int8 --target tensorrt; or use"
    with pytest.raises(UsageError, match=cause):
        open_engine(write_int8(tmp_path / "c.onnx", "cpu"), backend=UNCACHED)
    assert plugin.compiled == 1


def test_what_is_not_its_own_is_refused(plugin: RtxPlugin, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--device: {NAME} needs a GPU; use --device cuda, or"):
        open_engine(model, backend=NAME, device="cpu")
    with pytest.raises(UsageError, match=f"--backend: {NAME} runs .onnx files, .* is a TensorRT plan"):
        open_engine(tmp_path / "m.engine", backend=NAME)
    assert not plugin.registered


def test_a_graph_that_it_refuses_is_a_model_error(plugin: RtxPlugin, model: Path, home: Path) -> None:
    plugin.compile_failure = "nodes are assigned to the default CPU EP"
    with pytest.raises(
        ModelError, match=r"m\.onnx: TensorRT-RTX cannot load it \(nodes are .*; convert the model"
    ):
        open_engine(model, backend=NAME)
    assert [path.suffix for path in kept(home)] == [".kernels"]


@pytest.mark.parametrize(
    ("failure", "size"),
    [("CUDA failure 2: out of memory", ""), ("Failed to allocate device memory of size 5000", " of 5,000 bytes")],
)
def test_a_gpu_without_memory_for_it_is_told_as_such(
    plugin: RtxPlugin, model: Path, failure: str, size: str
) -> None:
    plugin.compile_failure = failure
    with pytest.raises(DeviceError, match=f"device cuda:0: out of memory: no room for a batch{size}; "):
        open_engine(model, backend=UNCACHED)


def test_a_failure_in_flight_comes_from_collecting_and_the_next_batch_runs(plugin: RtxPlugin, model: Path) -> None:
    with open_engine(model, backend=UNCACHED) as engine:
        batch, other = engine.new_batches()
        plugin.run_failure = "CUDA failure 700: an illegal memory access"
        batch.submit(5)
        with pytest.raises(DeviceError, match=r"cuda:0: ONNX Runtime failed .*700"):
            batch.collect()
        plugin.run_failure = ""
        other.crops[:5] = crops(5)
        other.submit(5)
        np.testing.assert_allclose(other.collect(), expected_logits(model, crops(5)), atol=1e-6)


def test_closing_twice_is_harmless_and_final(plugin: RtxPlugin, model: Path) -> None:
    engine = open_engine(model, backend=UNCACHED)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.infer(crops(1))


def test_what_is_compiled_is_kept_and_used(plugin: RtxPlugin, model: Path, home: Path) -> None:
    with open_engine(model, backend=NAME) as engine:
        first = engine.infer(crops(3))
    compiled, kernels = kept(home)
    assert kernels.name == f"{compiled.name}.kernels"
    assert plugin.sessions[0].settings["nv_runtime_cache_path"] == str(kernels)
    assert [path.name for path in kernels.iterdir()] == ["partition_0"]
    with open_engine(model, backend=NAME) as engine:
        np.testing.assert_array_equal(engine.infer(crops(3)), first)
    assert plugin.compiled == 1
    assert kept(home) == [compiled, kernels]


def test_none_is_kept_where_that_is_asked_for(plugin: RtxPlugin, model: Path, home: Path) -> None:
    open_engine(model, backend=UNCACHED).close()
    assert list(home.iterdir()) == []
    assert "nv_runtime_cache_path" not in plugin.sessions[0].settings


@pytest.mark.parametrize("other", ["weights", "plugin", "GPU"])
def test_another_model_version_or_kind_of_gpu_is_compiled_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugin: RtxPlugin, model: Path, home: Path, other: str
) -> None:
    open_engine(model, backend=NAME).close()
    if other == "weights":
        write_tiny_model(model, mean=(0.4, 0.4, 0.4))
    elif other == "GPU":
        plugin.gpu_kind += 1
    else:
        monkeypatch.setattr("onnxruntime_ep_nv_tensorrt_rtx.__version__", "0.6.0")
    with open_engine(model, backend=NAME) as engine:
        np.testing.assert_allclose(engine.infer(crops(3)), expected_logits(model, crops(3)), atol=1e-6)
    assert plugin.compiled == 2
    assert len(kept(home)) == 4


@pytest.mark.parametrize("fault", ["cut", "flipped", "empty", "rejected"])
def test_what_is_damaged_or_not_taken_is_compiled_anew(
    plugin: RtxPlugin, model: Path, home: Path, fault: str
) -> None:
    open_engine(model, backend=NAME).close()
    compiled, _ = kept(home)
    whole = compiled.read_bytes()
    flipped = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
    compiled.write_bytes({"cut": whole[:50], "flipped": flipped, "empty": b"", "rejected": whole}[fault])
    plugin.rejects = fault == "rejected"
    with open_engine(model, backend=NAME) as engine:
        np.testing.assert_allclose(engine.infer(crops(3)), expected_logits(model, crops(3)), atol=1e-6)
    assert plugin.compiled == 2
    assert compiled.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_no_more_than_time(
    plugin: RtxPlugin, model: Path, home: Path
) -> None:
    (home / ".cache").write_text("a file where a folder should be")
    with open_engine(model, backend=NAME) as engine:
        assert engine.infer(crops(3)).shape == (3, 4)
    assert "nv_runtime_cache_path" not in plugin.sessions[0].settings
