"""What holds for every backend that runs .onnx files on a CPU."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pptsn.convert.graph.files import write_model
from pptsn.runtime.base.errors import MissingDependencyError, ModelError
from pptsn.runtime.engines import Engine, open_engine
from pptsn.runtime.model.file import sealed
from tests.models import needs_openvino, tiny_network, tiny_spec, write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "m.onnx")


@pytest.fixture(params=["onnxruntime", pytest.param("openvino?cache=0", marks=needs_openvino)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(model: Path, backend: str, *, threads: int | None = None) -> Engine:
    return open_engine(model, backend=backend, device="cpu", threads=threads)


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_logits_are_those_of_the_network(model: Path, backend: str) -> None:
    batch = np.zeros((2, 32, 32, 3), np.uint8)
    batch[1, ..., 1] = 255
    with opened(model, backend) as engine:
        logits = engine.infer(batch)
    assert logits.dtype == np.float32
    # Colours are normalised to -1..1 and multiplied by 4; left and right are alike.
    np.testing.assert_allclose(logits, [[-4, -4, -4, 0], [-4, 4, -4, 0]], atol=1e-5)


def test_the_graph_averages_a_crop_with_its_mirror_image(model: Path, tmp_path: Path, backend: str) -> None:
    plain = write_tiny_model(tmp_path / "plain.onnx", mirror=False)
    batch = crops(3)
    with opened(model, backend) as mirrored, opened(plain, backend) as single:
        expected = (single.infer(batch) + single.infer(batch[:, :, ::-1])) / 2
        np.testing.assert_allclose(mirrored.infer(batch), expected, atol=1e-6)
        assert not np.allclose(single.infer(batch)[:, 3], expected[:, 3], atol=1e-3)


def test_a_batch_of_any_size_gives_what_single_crops_give(model: Path, backend: str) -> None:
    batch = crops(27)
    with opened(model, backend, threads=1) as engine:
        one_by_one = np.concatenate([engine.infer(crop[None]) for crop in batch])
        np.testing.assert_allclose(engine.infer(batch), one_by_one, atol=1e-6)


def test_batches_give_what_crops_in_one_piece_do(model: Path, backend: str) -> None:
    batch = crops(7)
    with opened(model, backend) as engine:
        expected = engine.infer(batch)
        for room in engine.new_batches(7):
            with room:
                for count in (3, 7, 1):
                    room.crops[:count] = batch[:count]
                    room.submit(count)
                    np.testing.assert_allclose(room.collect(), expected[:count], atol=1e-6)


def test_results_are_arrays_of_their_own_and_crops_stay_as_they_are(model: Path, backend: str) -> None:
    first = crops(2)
    first.flags.writeable = False
    with opened(model, backend) as engine:
        logits = engine.infer(first)
        copy = logits.copy()
        engine.infer(crops(2, seed=1))
    np.testing.assert_array_equal(logits, copy)
    np.testing.assert_array_equal(first, crops(2))


@pytest.mark.parametrize(
    "batch",
    [np.zeros((0, 32, 32, 3), np.uint8), np.zeros((1, 32, 31, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32)],
)
def test_crops_of_another_form_are_refused(model: Path, batch: np.ndarray, backend: str) -> None:
    with opened(model, backend) as engine, pytest.raises(ValueError, match=r"expected \(N, 32, 32, 3\) uint8"):
        engine.infer(batch)


def test_closing_twice_is_harmless_and_final(model: Path, backend: str) -> None:
    engine = opened(model, backend)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.infer(crops(1))


def test_a_graph_that_the_library_refuses_is_a_model_error(tmp_path: Path, backend: str) -> None:
    broken = tiny_network()
    broken.graph.node[0].op_type = "NoSuchOperator"
    (tmp_path / "m.onnx").write_bytes(sealed(broken.SerializeToString(), tiny_spec()))
    with pytest.raises(ModelError, match=r"m\.onnx: (ONNX Runtime|OpenVINO) cannot load it \(.*NoSuchOperator"):
        opened(tmp_path / "m.onnx", backend)


def test_a_graph_with_another_interface_is_a_model_error(tmp_path: Path, backend: str) -> None:
    write_model(tiny_network(), tiny_spec(), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"expected .*crops.*u(int)?8"):
        opened(tmp_path / "m.onnx", backend)


def test_a_missing_library_names_the_command(model: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = backend.partition("?")[0]
    monkeypatch.setitem(sys.modules, library, None)
    extra = {"onnxruntime": "cpu"}.get(library, library)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'pptsn\[{extra}\]'") as caught:
        opened(model, backend)
    assert caught.value.exit_code == 3
