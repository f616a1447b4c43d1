from pathlib import Path

import numpy as np
import pytest

from runtime.engines import Device, open_engine
from runtime.errors import MissingDependencyError, ModelError, UsageError
from tests.models import tiny_network, tiny_spec, write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_logits_are_those_of_the_network(model: Path) -> None:
    batch = np.zeros((2, 32, 32, 3), np.uint8)
    batch[1, ..., 1] = 255
    with open_engine(model) as engine:
        logits = engine.infer(batch)
    assert logits.dtype == np.float32
    # Colours are normalised to -1..1 and multiplied by 4; left and right are alike.
    np.testing.assert_allclose(logits, [[-4, -4, -4, 0], [-4, 4, -4, 0]], atol=1e-5)


def test_the_graph_averages_a_crop_with_its_mirror_image(model: Path, tmp_path: Path) -> None:
    plain = write_tiny_model(tmp_path / "plain.onnx", mirror=False)
    batch = crops(3)
    with open_engine(model) as mirrored, open_engine(plain) as single:
        expected = (single.infer(batch) + single.infer(batch[:, :, ::-1])) / 2
        np.testing.assert_allclose(mirrored.infer(batch), expected, atol=1e-6)
        assert not np.allclose(single.infer(batch)[:, 3], expected[:, 3], atol=1e-3)


def test_a_batch_of_any_size_gives_what_single_crops_give(model: Path) -> None:
    batch = crops(7)
    with open_engine(model, threads=1) as engine:
        one_by_one = np.concatenate([engine.infer(batch[i : i + 1]) for i in range(7)])
        np.testing.assert_allclose(engine.infer(batch), one_by_one, atol=1e-6)


@pytest.mark.parametrize(
    "batch",
    [np.zeros((0, 32, 32, 3), np.uint8), np.zeros((1, 32, 31, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32)],
)
def test_crops_of_another_form_are_refused(model: Path, batch: np.ndarray) -> None:
    with open_engine(model) as engine, pytest.raises(ValueError, match=r"expected \(N, 32, 32, 3\) uint8"):
        engine.infer(batch)


def test_closing_twice_is_harmless_and_final(model: Path) -> None:
    engine = open_engine(model)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.infer(crops(1))


def test_a_graph_that_onnxruntime_refuses_is_a_model_error(tmp_path: Path) -> None:
    from onnx import helper

    from runtime.onnx_file import DIGEST_KEY, SPEC_KEY, content_digest

    broken = tiny_network()
    broken.graph.node[0].op_type = "NoSuchOperator"
    helper.set_model_props(broken, {SPEC_KEY: tiny_spec().to_json()})
    digest = content_digest(broken.SerializeToString())
    helper.set_model_props(broken, {SPEC_KEY: tiny_spec().to_json(), DIGEST_KEY: digest})
    (tmp_path / "m.onnx").write_bytes(broken.SerializeToString())
    with pytest.raises(ModelError, match=r"m\.onnx: ONNX Runtime cannot load it"):
        open_engine(tmp_path / "m.onnx")


def test_a_graph_with_another_interface_is_a_model_error(tmp_path: Path) -> None:
    from convert.model_file import write_model

    write_model(tiny_network(), tiny_spec(), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"expected .*crops.*uint8"):
        open_engine(tmp_path / "m.onnx")


def test_unknown_names_list_what_there_is(model: Path) -> None:
    with pytest.raises(UsageError, match="auto, onnxruntime"):
        open_engine(model, backend="openvino")
    with pytest.raises(UsageError, match=r"cpu, cuda or cuda:N"):
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


def test_a_missing_onnxruntime_names_the_command(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install -e '\.\[cpu\]'"):
        open_engine(model)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_does_not_start_is_no_silent_cpu(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    # As a CUDA build does on a machine without a GPU: it claims the provider and falls back to the CPU.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(MissingDependencyError, match="does not start on this machine"):
        open_engine(model, device="cuda:7")
