import dataclasses
import gc
import platform
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError, ModelError, UsageError
from pptsn.runtime.base.files import sha256_of
from pptsn.runtime.classify.batching import CropBatcher
from pptsn.runtime.classify.results import Classification
from pptsn.runtime.engines import DeviceError, Engine, open_engine
from pptsn.runtime.engines.tensorrt.engine import TensorRtEngine
from pptsn.runtime.model.file import ModelFile
from pptsn.runtime.model.manifest import Manifest
from pptsn.runtime.recognizer import Recognizer
from tests.clips import write_clip
from tests.models import tiny_spec
from tests.runtime.classify.test_batching import RecordingEngine
from tests.runtime.engines.tensorrt.fake_gpu import (
    DataType,
    FakeGpu,
    FakePlan,
    corners,
    install_cuda_bindings,
    install_pycuda,
    means,
    tensorrt_module,
)

VERSION = "10.3.0"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    gpu = FakeGpu()
    install_pycuda(monkeypatch, gpu)
    monkeypatch.setitem(sys.modules, "cuda", None)
    return gpu


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> FakePlan:
    plan = FakePlan(gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_module(plan, VERSION))
    return plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_plan(tmp_path / "m.engine")


def write_plan(path: Path, *, content: bytes = b"a plan" * 100, **changes: object) -> Path:
    """Write a plan file and its manifest; return the plan's path."""
    path.write_bytes(content)
    manifest = Manifest(
        spec=tiny_spec(mirror=True),
        plan_sha256=sha256_of(path),
        onnx_sha256="0" * 64,
        onnx_name="m.onnx",
        builder="tensorrt",
        builder_version=VERSION,
        machine=platform.machine(),
        cuda_version="12.6",
        gpu_name="Fake Orin",
        compute_capabilities=("8.7",),
        precision="fp32",
        profile=(1, 4, 8),
    )
    dataclasses.replace(manifest, **changes).write(path)  # type: ignore[arg-type]
    return path


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9, 30])
def test_any_number_of_crops_gives_their_logits(plan: FakePlan, path: Path, count: int, integrated: bool) -> None:
    plan.gpu.integrated = integrated
    with TensorRtEngine(ModelFile.open(path)) as engine:
        assert engine.batch_size == 4
        for seed in range(2):
            np.testing.assert_array_equal(engine.infer(crops(count, seed)), means(crops(count, seed)))
    assert sum(plan.runs) == 2 * count  # nothing was padded
    assert len(plan.runs) == 2 * -(-count // 8)  # one call for each largest batch of the profile


def test_batches_are_lent_in_the_best_size_and_long_calls_use_the_largest(plan: FakePlan, path: Path) -> None:
    with TensorRtEngine(ModelFile.open(path)) as engine:
        assert engine.batch_size == 4
        for batch in engine.new_batches():
            assert batch.crops.shape == (4, 32, 32, 3)
            with pytest.raises(ValueError, match="expected 1 to 4"):
                batch.submit(5)
            batch.close()
        for count, runs in ((5, [5]), (8, [8]), (9, [8, 1])):
            plan.runs.clear()
            np.testing.assert_array_equal(engine.infer(crops(count)), means(crops(count)))
            assert plan.runs == runs


def test_memory_that_both_share_is_not_copied(plan: FakePlan, path: Path) -> None:
    plan.gpu.integrated = True
    with TensorRtEngine(ModelFile.open(path)) as engine:
        engine.infer(crops(9))
    assert plan.gpu.copied_bytes == 0


def test_a_batch_below_the_profile_is_made_up_and_the_rest_dropped(plan: FakePlan, path: Path) -> None:
    plan.profile = (3, 4, 8)
    with TensorRtEngine(ModelFile.open(path)) as engine:
        np.testing.assert_array_equal(engine.infer(crops(9)), means(crops(9)))
    assert plan.runs == [8, 3]


def test_a_plan_of_one_batch_size_runs(plan: FakePlan, path: Path) -> None:
    plan.static = True
    with TensorRtEngine(ModelFile.open(path)) as engine:
        np.testing.assert_array_equal(engine.infer(crops(6)), means(crops(6)))
    assert plan.runs == [4, 4]


def test_two_batches_are_in_flight_at_once(plan: FakePlan, path: Path) -> None:
    with TensorRtEngine(ModelFile.open(path)) as engine:
        first, second = engine.new_batches()
        for batch, seed in ((first, 1), (second, 2)):
            batch.crops[:] = crops(4, seed)
            batch.submit(4)
        assert plan.runs == []
        np.testing.assert_array_equal(first.collect(), means(crops(4, 1)))
        np.testing.assert_array_equal(second.collect(), means(crops(4, 2)))


def test_batches_have_the_size_asked_for_up_to_the_plans_largest(plan: FakePlan, path: Path) -> None:
    with TensorRtEngine(ModelFile.open(path)) as engine:
        for size in (8, 2, None):
            batches = engine.new_batches(size)
            assert [len(batch.crops) for batch in batches] == [size or 4] * 2
            for batch in batches:
                batch.close()
        with pytest.raises(UsageError, match=r"at most 8, not of 9; give 8 or less, or build .* --batch 1,9,9"):
            engine.new_batches(9)


def test_two_callers_at_a_time_do_not_disturb_each_other(plan: FakePlan, path: Path) -> None:
    pictures = [np.full((40, 40, 3), value, np.uint8) for value in (10, 200)]
    with TensorRtEngine(ModelFile.open(path)) as engine:
        batchers = [CropBatcher(engine, views="ten") for _ in pictures]
        for _ in range(3):
            for batcher, picture in zip(batchers, pictures, strict=True):
                batcher.add(0, picture, 1)
        engine.infer(crops(9))
        for batcher, value in zip(batchers, (10, 200), strict=True):
            batcher.flush()
            gathered = batcher.take(0)
            assert gathered is not None
            np.testing.assert_allclose(gathered.mean(), [value] * 4)
            batcher.close()
        allocated = len(plan.gpu.memory)
        with CropBatcher(engine, views="ten") as batcher:
            batcher.add(0, pictures[0], 1)
        assert len(plan.gpu.memory) == allocated  # what was given back is used again


def test_work_in_flight_does_not_leak_into_the_next_caller(plan: FakePlan, path: Path) -> None:
    with TensorRtEngine(ModelFile.open(path)) as engine:
        batch, other = engine.new_batches()
        batch.crops[:] = 7
        batch.submit(4)
        batch.close()
        assert plan.runs == [4]
        other.close()
        np.testing.assert_array_equal(engine.infer(crops(9)), means(crops(9)))


def test_another_thread_may_use_and_close_it(plan: FakePlan, path: Path) -> None:
    engine = TensorRtEngine(ModelFile.open(path))
    answers: list[np.ndarray] = []

    def work() -> None:
        answers.append(engine.infer(crops(5)))
        engine.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(answers[0], means(crops(5)))
    assert not plan.gpu.stack


def test_closing_releases_contexts_then_engine_then_runtime_then_buffers(plan: FakePlan, path: Path) -> None:
    engine = TensorRtEngine(ModelFile.open(path))
    batch, _ = engine.new_batches()
    batch.submit(4)
    free = plan.gpu.free
    engine.close()
    assert plan.runs == [4]  # it was waited for
    assert plan.gpu.events[1:] == ["context"] * 2 + ["engine", "runtime"] + ["buffer"] * 4
    assert plan.gpu.free > free
    events = list(plan.gpu.events)
    engine.close()
    batch.close()
    assert plan.gpu.events == events
    with pytest.raises(ValueError, match="closed"):
        engine.infer(crops(1))
    with pytest.raises(ValueError, match="closed"):
        engine.new_batches()


def test_a_batch_outlives_its_engine_without_harm(plan: FakePlan, path: Path) -> None:
    engine = TensorRtEngine(ModelFile.open(path))
    batch, _ = engine.new_batches()
    buffer = batch.crops
    engine.close()
    buffer[:] = 3  # memory that somebody refers to stays
    with pytest.raises(ValueError, match="closed"):
        batch.submit(1)


def test_page_locked_memory_is_freed_in_the_gpus_context_by_whoever_lets_go_of_it(
    plan: FakePlan, path: Path
) -> None:
    engine = TensorRtEngine(ModelFile.open(path))
    assert plan.gpu.host_allocations == 4
    held = [engine.new_batches()[0].crops]
    engine.close()
    del engine
    gc.collect()
    assert plan.gpu.host_allocations == 1  # somebody refers to it
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert plan.gpu.host_allocations == 0
    assert not [event for event in plan.gpu.events if "could not be cleaned up" in event]


@pytest.mark.parametrize("change", ["truncate", "flip", "manifest", "no manifest"])
def test_a_damaged_plan_is_refused_before_anything_reads_it(plan: FakePlan, path: Path, change: str) -> None:
    manifest = path.with_name("m.engine.json")
    if change == "truncate":
        path.write_bytes(path.read_bytes()[:-1])
    elif change == "flip":
        path.write_bytes(b"A" + path.read_bytes()[1:])
    elif change == "manifest":
        manifest.write_text(manifest.read_text().replace("8.7", "9.0"))
    else:
        manifest.unlink()
    with pytest.raises(ModelError, match=r"m\.engine.*pptsn convert engine"):
        TensorRtEngine(ModelFile.open(path))
    assert "deserialise" not in plan.gpu.events


def test_a_plan_whose_onnx_file_has_changed_is_refused_before_anything_reads_it(
    plan: FakePlan, tmp_path: Path
) -> None:
    onnx = tmp_path / "m.onnx"
    onnx.write_bytes(b"built from this")
    path = write_plan(tmp_path / "m.engine", onnx_sha256=sha256_of(onnx))
    TensorRtEngine(ModelFile.open(path)).close()
    plan.gpu.events.clear()
    onnx.write_bytes(b"converted again")
    with pytest.raises(
        ModelError, match=r"has changed since: .* rebuild it by: pptsn convert engine .*/m\.onnx'? -o"
    ):
        TensorRtEngine(ModelFile.open(path))
    assert "deserialise" not in plan.gpu.events
    onnx.unlink()  # a device needs the plan alone
    TensorRtEngine(ModelFile.open(path)).close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"builder_version": "10.13.0"}, r"built by tensorrt 10\.13\.0, this machine has 10\.3\.0"),
        ({"compute_capabilities": ("8.9",)}, r"compute capability 8\.9, this GPU has 8\.7"),
        ({"machine": "riscv"}, "built on riscv"),
    ],
)
def test_a_plan_for_elsewhere_is_refused_before_it_is_deserialised(
    plan: FakePlan, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message + r".*rebuild it here by: pptsn convert engine .*/m\.onnx"):
        TensorRtEngine(ModelFile.open(write_plan(tmp_path / "m.engine", **changes)))
    assert "deserialise" not in plan.gpu.events


def test_a_plan_that_the_library_refuses_says_what_it_logged(plan: FakePlan, path: Path) -> None:
    plan.refused = "Error Code 1: Serialization (Version tag does not match)"
    with pytest.raises(ModelError, match=r"m\.engine: tensorrt 10\.3\.0 refuses it .*Version tag does not match"):
        TensorRtEngine(ModelFile.open(path))
    assert not plan.gpu.stack


def test_a_plan_of_another_network_is_refused(plan: FakePlan, path: Path) -> None:
    plan.crops_type = DataType.FLOAT
    with pytest.raises(ModelError, match=r"crops \(input float N x 32 x 32 x 3\).*expected crops \(input uint8"):
        TensorRtEngine(ModelFile.open(path))
    assert plan.gpu.events[-2:] == ["engine", "runtime"]


def test_a_gpu_without_room_for_the_buffers_says_how_much(plan: FakePlan, path: Path) -> None:
    plan.gpu.free = 20_000
    with pytest.raises(DeviceError, match=r"cuda:0: out of memory.* 24,576 bytes, [\d,]+ bytes are free.*--batch"):
        TensorRtEngine(ModelFile.open(path))
    assert plan.gpu.free == 20_000
    assert not plan.gpu.stack


def test_a_gpu_without_room_for_a_context_says_how_much(plan: FakePlan, path: Path) -> None:
    plan.contexts = 1
    with pytest.raises(DeviceError, match=r"activations .*123,456 bytes.*--batch"):
        TensorRtEngine(ModelFile.open(path))


def test_a_gpu_that_fails_is_one_line_and_closes(plan: FakePlan, path: Path) -> None:
    engine = TensorRtEngine(ModelFile.open(path))
    plan.gpu.fails = "an illegal memory access was encountered"
    with pytest.raises(DeviceError, match=r"device cuda:0: the GPU failed \(an illegal memory access"):
        engine.infer(crops(9))
    engine.close()
    assert plan.gpu.events[-1] == "buffer"


def test_work_that_does_not_start_is_an_error_not_an_answer(plan: FakePlan, path: Path) -> None:
    with TensorRtEngine(ModelFile.open(path)) as engine:
        plan.fails = True
        with pytest.raises(ModelError, match="does not run"):
            engine.infer(crops(1))


def test_a_repeated_shape_runs_by_a_graph_of_its_own(
    monkeypatch: pytest.MonkeyPatch, plan: FakePlan, path: Path
) -> None:
    install_cuda_bindings(monkeypatch, plan.gpu)
    with TensorRtEngine(ModelFile.open(path)) as engine:
        assert "with CUDA graphs" in engine.description
        for seed, count in enumerate([4, 4, 4, 2, 4, 2, 2, 3, 3, 3, 9, 9, 4]):
            np.testing.assert_array_equal(engine.infer(crops(count, seed)), means(crops(count, seed)))
    assert plan.gpu.events.count("launch") > 5
    # A context for each batch, and one for each graph: two on the first batch, though three shapes came again.
    assert 100 - plan.contexts == 2 + 2 + 1
    assert plan.gpu.events.index("graph") < plan.gpu.events.index("context")


@pytest.fixture
def featured(plan: FakePlan, tmp_path: Path) -> Path:
    """A plan that gives features."""
    plan.features = True
    return write_plan(tmp_path / "features.engine", spec=tiny_spec(mirror=True, features=2))


@pytest.mark.parametrize("integrated", [False, True])
def test_features_come_with_the_logits_and_are_copied_where_they_are_asked_for(
    plan: FakePlan, featured: Path, integrated: bool
) -> None:
    plan.gpu.integrated = integrated
    with TensorRtEngine(ModelFile.open(featured)) as engine:
        assert engine.features == 2
        engine.infer(crops(8))
        without = plan.gpu.copied_bytes
        assert without == (0 if integrated else crops(8).nbytes + means(crops(8)).nbytes)
        logits, features = engine.infer_with_features(crops(8))
        np.testing.assert_array_equal(logits, means(crops(8)))
        np.testing.assert_array_equal(features, corners(crops(8)))
        assert plan.gpu.copied_bytes == (0 if integrated else 2 * without + features.nbytes)
        assert engine.infer(crops(8)).shape == (8, 4)


def test_a_graph_copies_features_only_where_they_were_asked_for_when_it_was_recorded(
    monkeypatch: pytest.MonkeyPatch, plan: FakePlan, featured: Path
) -> None:
    install_cuda_bindings(monkeypatch, plan.gpu)
    with TensorRtEngine(ModelFile.open(featured)) as engine:
        for seed in range(4):
            batch = crops(4, seed)
            np.testing.assert_array_equal(engine.infer(batch), means(batch))
            np.testing.assert_array_equal(engine.infer_with_features(batch)[1], corners(batch))
    assert plan.gpu.events.count("launch") > 5


@pytest.mark.parametrize("given", [False, True])
def test_a_plan_that_gives_other_tensors_than_its_spec_says_is_refused(
    plan: FakePlan, tmp_path: Path, given: bool
) -> None:
    plan.features = given
    path = write_plan(tmp_path / "m.engine", spec=tiny_spec(mirror=True, features=0 if given else 2))
    with pytest.raises(ModelError, match=r"m\.engine: has the tensors .*features.*rebuild it by"):
        TensorRtEngine(ModelFile.open(path))


@pytest.mark.usefixtures("plan")
def test_a_plan_of_an_older_release_gives_logits_and_says_what_to_do_for_features(path: Path) -> None:
    with TensorRtEngine(ModelFile.open(path)) as engine:
        assert engine.infer(crops(1)).shape == (1, 4)
        with pytest.raises(
            UsageError, match=r"gives logits alone, as files of older releases do.*plan is then built"
        ):
            engine.infer_with_features(crops(1))


def test_what_cannot_be_recorded_runs_without_graphs_and_says_so(
    monkeypatch: pytest.MonkeyPatch, plan: FakePlan, path: Path
) -> None:
    install_cuda_bindings(monkeypatch, plan.gpu)
    plan.fails_recording = True
    with TensorRtEngine(ModelFile.open(path)) as engine:
        for seed in range(5):
            np.testing.assert_array_equal(engine.infer(crops(4, seed)), means(crops(4, seed)))
        assert "without CUDA graphs (ModelError" in engine.description
    assert "launch" not in plan.gpu.events


def test_a_plan_of_tensorrt_rtx_runs_by_it_and_without_our_graphs(
    monkeypatch: pytest.MonkeyPatch, plan: FakePlan, tmp_path: Path
) -> None:
    install_cuda_bindings(monkeypatch, plan.gpu)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", tensorrt_module(plan, "1.7.1.116"))
    path = write_plan(tmp_path / "m.engine", builder="tensorrt-rtx", builder_version="1.7.1.116")
    for backend in ("auto", "tensorrt-rtx"):
        with open_engine(path, backend=backend) as engine:
            assert engine.description == "tensorrt-rtx 1.7.1.116 on cuda:0 (Fake Orin)"
            for _ in range(4):
                np.testing.assert_array_equal(engine.infer(crops(4)), means(crops(4)))
    assert "launch" not in plan.gpu.events


def test_videos_are_classified_by_a_plan(plan: FakePlan, path: Path, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{n}.mp4", frames=9 + 9 * n) for n in range(4)]
    with Recognizer(TensorRtEngine(ModelFile.open(path))) as recognizer, Recognizer(RecordingEngine()) as plain:
        for _ in range(3):
            results = list(recognizer.classify_many(clips, segments=3))
            for result, expected in zip(results, plain.classify_many(clips, segments=3), strict=True):
                assert isinstance(result, Classification)
                assert isinstance(expected, Classification)
                np.testing.assert_allclose(result.logits, expected.logits, rtol=1e-6)
        memory = len(plan.gpu.memory)
        left_early = recognizer.classify_many(clips, segments=3)
        next(left_early)
        left_early.close()
        assert len(list(recognizer.classify_many(clips, segments=3))) == 4
        assert len(plan.gpu.memory) == memory  # every caller gave its batches back


def test_auto_takes_what_built_the_plan(plan: FakePlan, path: Path) -> None:
    with open_engine(path) as engine:
        assert isinstance(engine, TensorRtEngine)
        assert engine.description == "tensorrt 10.3.0 on cuda:0 (Fake Orin)"
        (note,) = engine.notes
        kind = "Fake Orin, compute capability 8.7, version 10.3.0"
        assert note.startswith(f"{path} was never proven on this kind of device ({kind}); it carries nothing")


def test_a_plan_that_carries_code_says_so(plan: FakePlan, tmp_path: Path) -> None:
    engine: Engine = TensorRtEngine(ModelFile.open(write_plan(tmp_path / "m.engine", version_compatible=True)))
    assert "carries code" in engine.notes[0]
    engine.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "onnxruntime"}, r"runs \.onnx files"),
        ({"backend": "onnxruntime-tensorrt"}, r"runs \.onnx files"),
        ({"device": "cpu"}, "needs a GPU"),
        ({"backend": "tensorrt-rtx"}, "was built by tensorrt, .*--backend tensorrt, or .*--builder tensorrt-rtx"),
    ],
)
def test_a_plan_elsewhere_is_a_usage_error(path: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_engine(path, **arguments)  # type: ignore[arg-type]


def test_what_is_missing_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, plan: FakePlan, path: Path
) -> None:
    with pytest.raises(MissingDependencyError, match="device cuda:3: this machine has 1 CUDA devices"):
        open_engine(path, device="cuda:3")
    plan.gpu.broken = True
    with pytest.raises(MissingDependencyError, match=r"CUDA does not start .*no CUDA-capable device.*nvidia-smi"):
        open_engine(path)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(MissingDependencyError, match=r"needs PyCUDA .*\[tensorrt\].*headers.*nvcc"):
        open_engine(path)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingDependencyError, match=r"--system-site-packages.*pypi\.nvidia\.com"):
        open_engine(path)
