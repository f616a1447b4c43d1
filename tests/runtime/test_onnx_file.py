from pathlib import Path

import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.onnx_file import read_spec
from tests.models import tiny_spec, write_foreign_model, write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx")


def test_the_spec_comes_back(model: Path) -> None:
    assert read_spec(model) == tiny_spec(mirror=True)


def test_every_flipped_bit_is_found(model: Path) -> None:
    whole = model.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 200)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        model.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"m\.onnx: .*"):
            read_spec(model)


def test_every_truncation_is_found(model: Path) -> None:
    whole = model.read_bytes()
    for length in {*range(0, len(whole), max(1, len(whole) // 100)), len(whole) - 1}:
        model.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read_spec(model)


def test_appended_bytes_are_found(model: Path) -> None:
    model.write_bytes(model.read_bytes() + b"\x08\x01")
    with pytest.raises(ModelError, match="does not match the digest"):
        read_spec(model)


def test_another_model_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is no PP-TSN model.*pptsn convert onnx"):
        read_spec(write_foreign_model(tmp_path / "other.onnx"))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("this is not a model")
    with pytest.raises(ModelError, match="is no ONNX model"):
        read_spec(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="No such file"):
        read_spec(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="Is a directory"):
        read_spec(tmp_path)
