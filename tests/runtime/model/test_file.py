from pathlib import Path

import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.file import ModelFile
from tests.models import tiny_spec, write_foreign_model, write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def test_the_spec_comes_back(model: Path) -> None:
    assert ModelFile.open(model).spec == tiny_spec(mirror=True)


def test_every_flipped_bit_is_found(model: Path) -> None:
    whole = model.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 200)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        model.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"m\.onnx: .*"):
            ModelFile.open(model)


def test_every_truncation_is_found(model: Path) -> None:
    whole = model.read_bytes()
    for length in {*range(0, len(whole), max(1, len(whole) // 100)), len(whole) - 1}:
        model.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            ModelFile.open(model)


def test_appended_bytes_are_found(model: Path) -> None:
    model.write_bytes(model.read_bytes() + b"\x08\x01")
    with pytest.raises(ModelError, match="does not match the digest"):
        ModelFile.open(model)


def test_another_model_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is no PP-TSN model.*pptsn convert onnx"):
        ModelFile.open(write_foreign_model(tmp_path / "other.onnx"))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("this is not a model")
    with pytest.raises(ModelError, match="is no ONNX model"):
        ModelFile.open(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="No such file"):
        ModelFile.open(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="Is a directory"):
        ModelFile.open(tmp_path)
