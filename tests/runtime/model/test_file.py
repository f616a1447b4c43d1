import hashlib
from pathlib import Path

import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.protobuf import bytes_field, fields
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


def test_metadata_is_replaced_by_what_is_sealed_in(model: Path) -> None:
    import onnx

    loaded = onnx.load(str(model))
    again = sealed(loaded.SerializeToString(), tiny_spec(mirror=False), quantization={"target": "cpu"})
    model.write_bytes(again)
    file = ModelFile.open(model)
    assert (file.spec, file.quantized_for) == (tiny_spec(mirror=False), "cpu")
    resealed = onnx.load_model_from_string(again)
    assert resealed.graph == loaded.graph
    assert [entry.key for entry in resealed.metadata_props] == ["pptsn.spec", "pptsn.quantization", "pptsn.digest"]


def test_a_file_that_another_program_has_written_again_is_still_whole(model: Path) -> None:
    """Its fields may lie in another order then, with the digest between others."""
    whole = model.read_bytes()
    with memoryview(whole) as view:
        parts = [whole[part.start : part.end] for part in fields(view)]
    *others, digest = parts
    model.write_bytes(digest + b"".join(others))
    file = ModelFile.open(model)
    assert file.spec == tiny_spec(mirror=True)
    assert file.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()


def test_the_bytes_are_kept_on_request(model: Path) -> None:
    file = ModelFile.open(model, keep_content=True)
    assert file.content == model.read_bytes()
    assert file.sha256 == hashlib.sha256(file.content).hexdigest() == ModelFile.open(model).sha256
    assert ModelFile.open(model).content == b""


def test_a_quantization_that_is_no_json_is_named(model: Path) -> None:
    whole = sealed(model.read_bytes(), tiny_spec(), quantization={"target": "cpu"})
    body = whole.replace(b'{"target": "cpu"}', b'{"target": "cpu"?')
    with memoryview(body) as view:
        body = body[: list(fields(view))[-1].start]
    digest = bytes_field(1, b"pptsn.digest") + bytes_field(2, hashlib.sha256(body).hexdigest().encode())
    model.write_bytes(body + bytes_field(14, digest))
    with pytest.raises(ModelError, match=r"m\.onnx: its pptsn\.quantization is no JSON .*; quantize it again"):
        ModelFile.open(model)
