import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import MissingDependencyError, UsageError
from pptsn.runtime.engines import Device, DeviceError, open_engine
from pptsn.runtime.engines.onnxruntime.engine import import_onnxruntime
from pptsn.runtime.engines.onnxruntime.io_binding import BoundSession
from tests.clips import write_clip
from tests.models import tiny_network, tiny_spec, write_tiny_model
from tests.runtime.engines.onnxruntime.cuda_build import CUDA, TENSORRT, CudaBuild


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_unknown_names_list_what_there_is(model: Path) -> None:
    with pytest.raises(
        UsageError, match="auto, onnxruntime, onnxruntime-tensorrt, onnxruntime-tensorrt-rtx, open"
    ):
        open_engine(model, backend="ncnn")
    with pytest.raises(UsageError, match=r"auto, cpu, cuda or cuda:N"):
        open_engine(model, device="gpu")
    with pytest.raises(UsageError, match="--threads"):
        open_engine(model, threads=0)


def test_devices_are_read_and_written() -> None:
    assert [str(Device.parse(text)) for text in ("cpu", "cuda", "cuda:3")] == ["cpu", "cuda:0", "cuda:3"]


def test_a_gpu_without_its_package_is_a_missing_dependency(model: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(MissingDependencyError, match=r"no CUDA; run: .*\[gpu\]"):
        open_engine(model, device="cuda")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_does_not_start_is_no_silent_cpu(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    # As a CUDA build does on a machine without a GPU: it claims the provider and falls back to the CPU.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(MissingDependencyError, match="does not start on this machine"):
        open_engine(model, device="cuda:7")


def test_a_model_as_it_is_written_gives_the_same(model: Path) -> None:
    with open_engine(model) as fast, open_engine(model, optimise=False) as plain:
        np.testing.assert_allclose(plain.infer(crops(3)), fast.infer(crops(3)), atol=1e-5)


def test_an_onnx_file_on_a_plan_backend_names_the_command_that_builds_one(model: Path) -> None:
    for backend in ("tensorrt", "tensorrt-rtx"):
        with pytest.raises(
            UsageError, match=rf"pptsn convert engine .*m\.onnx -o .*m\.engine --builder {backend}"
        ):
            open_engine(model, backend=backend)


def test_tensorrt_inside_onnxruntime_needs_a_gpu(model: Path) -> None:
    with pytest.raises(UsageError, match="needs a GPU"):
        open_engine(model, backend="onnxruntime-tensorrt", device="cpu")


def test_bound_memory_gives_the_same_logits_for_any_sequence_of_batches(model: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    bound = BoundSession(session, onnxruntime.OrtValue, Device("cpu"), tiny_spec())
    with open_engine(model) as engine:
        kept = []
        for seed, count in enumerate([5, 5, 3, 1, 5, 2, 4, 3]):
            batch = crops(2 * count, seed)[::2]  # not contiguous
            logits = bound.run(batch)
            np.testing.assert_array_equal(logits, engine.infer(batch))
            kept.append((logits, logits.copy()))
    for logits, copy in kept:  # each is a new array, not the memory that the next call overwrites
        np.testing.assert_array_equal(logits, copy)
    assert len(bound._kept) <= 3


def test_a_gpu_is_taken_where_it_starts_and_said(
    monkeypatch: pytest.MonkeyPatch, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = CudaBuild(monkeypatch, CUDA)
    with open_engine(model) as engine:
        assert "on cuda:0" in engine.description
        assert engine.notes == (f"running on the GPU: {engine.description}",)
    (session,) = build.sessions
    assert session.real._enable_fallback is False  # no silent CPU after an error later on
    (name, options), cpu = build.asked[0]
    assert (name, cpu) == (CUDA, "CPUExecutionProvider")
    assert options["use_tf32"] == 0  # FP32 is FP32
    assert capsys.readouterr().out == ""


def test_tensorrt_inside_takes_batches_of_any_size_in_one_call(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    build = CudaBuild(monkeypatch, CUDA, TENSORRT)
    with open_engine(model, backend="onnxruntime-tensorrt") as engine:
        size = engine.batch_size
        (batch,) = engine.new_batches(2 * size + 3)
        batch.crops[:] = crops(len(batch.crops))
        batch.submit(len(batch.crops))
        np.testing.assert_array_equal(batch.collect(), engine.infer(batch.crops))
        (session,) = build.sessions
        assert session.shapes == [2 * size + 3, size, size, 3]


def test_a_gpu_that_does_not_start_leaves_the_cpu_and_a_note(
    monkeypatch: pytest.MonkeyPatch, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = CudaBuild(monkeypatch)
    build.output = "***\nEP Error CUDA failure 100: no CUDA-capable device\nFalling back\n***"
    with open_engine(model) as engine:
        assert engine.description.endswith("on cpu")
        (note,) = engine.notes
    assert note.startswith("running on the CPU: device cuda:0: ONNX Runtime's CUDA provider does not start")
    assert "CUDA failure 100" in note
    assert capsys.readouterr().out == ""
    with pytest.raises(MissingDependencyError, match="CUDA provider does not start"):
        open_engine(model, device="cuda")


def test_a_driver_without_a_gpu_package_is_noted(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    with open_engine(model) as engine:
        assert engine.notes == ()
    monkeypatch.setattr("pptsn.runtime.engines.onnxruntime.providers.driver_is_here", lambda: True)
    with open_engine(model) as engine:
        assert "an NVIDIA driver is here, but this ONNX Runtime has no CUDA" in engine.notes[0]
    with open_engine(model, device="cpu") as engine:
        assert engine.notes == ()  # it was asked for


def test_without_wheels_for_this_processor_the_gpu_hints_name_nvidia(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("pptsn.runtime.engines.onnxruntime.providers.driver_is_here", lambda: True)
    with open_engine(model) as engine:
        assert "comes from NVIDIA" in engine.notes[0]
        assert "[gpu]" not in engine.notes[0]
    with pytest.raises(MissingDependencyError, match=r"no CUDA; onnxruntime-gpu for a Jetson .*--device cpu"):
        open_engine(model, device="cuda")


def write_int8(path: Path, target: str) -> Path:
    """Write the tiny model with the metadata of one that was quantized for `target`."""
    from pptsn.convert.graph.deployment import compose_deployment
    from pptsn.convert.graph.files import write_model

    graph, spec = compose_deployment(tiny_network(), tiny_spec(precision="int8"), mirror=True)
    write_model(graph, spec, path, quantization={"target": target})
    return path


@pytest.mark.parametrize("driver", [False, True])
def test_a_model_quantized_for_cpus_runs_on_one_beside_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: bool
) -> None:
    model = write_int8(tmp_path / "m.onnx", "cpu")
    for module in ("onnxruntime.providers", "onnxruntime.backend"):
        monkeypatch.setattr(f"pptsn.runtime.engines.{module}.driver_is_here", lambda: driver)
    with open_engine(model, backend="onnxruntime") as engine:
        assert engine.notes == ()  # no ONNX Runtime with CUDA is worth having for this file
    build = CudaBuild(monkeypatch, CUDA)
    with open_engine(model, backend="onnxruntime") as engine:
        assert engine.description.endswith("on cpu")
        if driver:
            (note,) = engine.notes
            assert note.startswith(f"running on the CPU: {model} is encoded for CPUs")
            assert note.endswith("pptsn convert int8 --target tensorrt")
        else:
            assert engine.notes == ()  # there is no GPU that could have been taken
    assert build.asked == [["CPUExecutionProvider"]]


@pytest.mark.parametrize("backend", ["onnxruntime", "onnxruntime-tensorrt"])
def test_a_model_quantized_for_cpus_on_a_gpu_is_noted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str
) -> None:
    CudaBuild(monkeypatch, CUDA, TENSORRT)
    for target, notes in (("cpu", 1), ("tensorrt", 0)):
        model = write_int8(tmp_path / f"{target}.onnx", target)
        with open_engine(model, backend=backend, device="cuda") as engine:
            assert "on cuda:0" in engine.description
            assert len(engine.notes) == notes
            assert all("pptsn convert int8 --target tensorrt" in note for note in engine.notes)
    with open_engine(tmp_path / "tensorrt.onnx") as engine:
        assert engine.notes == (f"running on the GPU: {engine.description}",)
    with open_engine(tmp_path / "cpu.onnx", backend="onnxruntime", device="cpu") as engine:
        assert engine.notes == ()


def test_classify_prints_the_notes_unless_it_is_to_be_quiet(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pptsn.cli.program import main
    from pptsn.runtime.base import progress

    monkeypatch.setattr("pptsn.runtime.engines.onnxruntime.providers.driver_is_here", lambda: True)
    clip = str(write_clip(tmp_path / "a.mp4"))
    said = []
    for options in ([], ["--quiet"]):
        monkeypatch.setattr(sys, "argv", ["pptsn", *options, "classify", clip, "--model", str(model)])
        with pytest.raises(SystemExit) as ending:
            main()
        assert not ending.value.code
        said.append(capsys.readouterr().err)
    progress.set_quiet(False)
    assert "pptsn: note: running on the CPU: an NVIDIA driver is here" in said[0]
    assert said[1] == ""


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 939524096",
            r"device cuda:0: out of memory: no room for a batch of 939,524,096 bytes; .*--device cpu",
        ),
        ("CUDA failure 2: out of memory ; GPU=0", "cuda:0: out of memory: no room for a batch;"),
        ("CUDA failure 700: an illegal memory access", "cuda:0: ONNX Runtime failed .*700"),
    ],
)
def test_a_gpu_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, model: Path, failure: str, message: str
) -> None:
    build = CudaBuild(monkeypatch, CUDA)
    with open_engine(model, device="cuda") as engine:
        build.failure = failure
        with pytest.raises(DeviceError, match=message):
            engine.infer(crops(1))


def test_tensorrt_inside_onnxruntime_keeps_its_engines_by_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build = CudaBuild(monkeypatch, CUDA, TENSORRT)
    model = write_tiny_model(tmp_path / "m.onnx", precision="int8")
    for _ in range(2):
        with open_engine(model, backend="onnxruntime-tensorrt") as engine:
            assert engine.description.endswith("on cuda:0")
            assert engine.identity.backend == "onnxruntime-tensorrt"
            assert engine.notes == ()
    write_tiny_model(model, precision="fp32")
    open_engine(model, backend="onnxruntime-tensorrt").close()
    first, again, other = (providers[0][1] for providers in build.asked)
    assert first == again
    assert first["trt_profile_min_shapes"] == "crops:1x32x32x3"
    assert first["trt_profile_max_shapes"] == f"crops:{engine.batch_size}x32x32x3"
    assert (first["trt_int8_enable"], first["trt_fp16_enable"]) == (True, True)
    assert (other["trt_int8_enable"], other["trt_fp16_enable"]) == (False, False)
    folders = [Path(options["trt_engine_cache_path"]) for options in (first, other)]
    assert folders[0] != folders[1]
    for folder in folders:
        assert folder.is_dir()
        assert folder.parent == tmp_path / ".m.onnx.tensorrt"


def test_tensorrt_that_does_not_start_is_no_silent_cuda(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    CudaBuild(monkeypatch, CUDA)
    with pytest.raises(MissingDependencyError, match="TensorRT provider does not start"):
        open_engine(model, backend="onnxruntime-tensorrt")


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build = CudaBuild(monkeypatch, CUDA, TENSORRT)
    model = write_tiny_model(tmp_path / "m.onnx")
    (tmp_path / ".m.onnx.tensorrt").write_text("in the way")
    with open_engine(model, backend="onnxruntime-tensorrt") as engine:
        assert "cannot be written" in engine.notes[0]
    assert build.asked[0][0][1]["trt_engine_cache_enable"] is False


@pytest.mark.parametrize("who", ["ours", "the caller's"])
def test_warnings_of_onnxruntime_are_not_printed_unless_another_program_imported_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    stand_in = "severity = 2\ndef set_default_logger_severity(level):\n    global severity\n    severity = level\n"
    (tmp_path / "onnxruntime.py").write_text(stand_in)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    if who != "ours":
        importlib.import_module("onnxruntime")
    assert import_onnxruntime().severity == (3 if who == "ours" else 2)
    assert import_onnxruntime().severity == (3 if who == "ours" else 2)
