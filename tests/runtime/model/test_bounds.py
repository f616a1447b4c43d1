"""Numbers and texts in a model's spec, labels and metadata, from none to far beyond their bounds."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from pptsn.runtime.base.errors import InputError, ModelError, PptsnError
from pptsn.runtime.model.file import ModelFile, claims_of, sealed
from pptsn.runtime.model.labels import read_labels
from pptsn.runtime.model.spec import LARGEST_SIDE, LONGEST_LABEL, MOST_CLASSES, MOST_SEGMENTS, ModelSpec
from tests.models import tiny_spec, write_tiny_model

NUMBERS = (-(2**70), -1, 0, 1, 40, 1000, LARGEST_SIDE, LARGEST_SIDE + 1, 20_000, 2**31, 2**63, 2**64, 10**400)


def _read(**changes: object) -> ModelSpec:
    return ModelSpec.from_json(json.dumps(dataclasses.asdict(tiny_spec()) | changes), source="m.onnx")


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number:.0e}" if number < 1e300 else "1e400")
@pytest.mark.parametrize(
    "field", ["crop_size", "short_side", "num_seg", "segments", "stream_segments", "depth", "format_version"]
)
def test_integers_of_a_spec_are_bounded(field: str, number: int) -> None:
    fits = {
        "crop_size": 1 <= number <= 40,
        "short_side": 32 <= number <= LARGEST_SIDE,
        "num_seg": 1 <= number <= MOST_SEGMENTS,
        "segments": 1 <= number <= MOST_SEGMENTS,
        "stream_segments": 1 <= number <= MOST_SEGMENTS,
        "depth": False,
        "format_version": number in (1, 4),
    }[field]
    if fits:
        assert getattr(_read(**{field: number}), field) in (number, 4)
        return
    with pytest.raises(ModelError) as caught:
        _read(**{field: number})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [0.0, -0.1, 1e-30, float("nan"), float("inf"), 1e300, 1.0])
@pytest.mark.parametrize("field", ["mean", "std"])
def test_colours_are_finite_and_divide(field: str, value: float) -> None:
    if value == 1.0 or (field == "mean" and abs(value) < 1000):
        assert getattr(_read(**{field: [value] * 3}), field) == (value,) * 3
        return
    with pytest.raises(ModelError, match=rf"{field} is .*, expected three"):
        _read(**{field: [value] * 3})


@pytest.mark.parametrize("count", [0, 1, 400, MOST_CLASSES, MOST_CLASSES + 1, 300_000])
def test_classes_are_bounded(tmp_path: Path, count: int) -> None:
    labels = [f"class {number}" for number in range(count)]
    (tmp_path / "labels.txt").write_text("\n".join(labels))
    started = time.process_time()
    if 1 <= count <= MOST_CLASSES:
        assert read_labels(tmp_path / "labels.txt") == tuple(labels)
        assert _read(labels=labels).classes == count
    else:
        with pytest.raises(ModelError, match=r"expected a list of 1 to 65536|expected \d+ at most"):
            _read(labels=labels)
        with pytest.raises(InputError, match=r"expected 65536 at most|holds no class names"):
            read_labels(tmp_path / "labels.txt")
    assert time.process_time() - started < 10  # names compared with all others would take minutes


@pytest.mark.parametrize("length", [0, 1, LONGEST_LABEL, LONGEST_LABEL + 1, 10_000, 1_000_000])
@pytest.mark.parametrize("letter", ["a", "é", "𝄞"])
def test_names_of_classes_are_bounded(tmp_path: Path, length: int, letter: str) -> None:
    label = letter * length
    (tmp_path / "labels.txt").write_text(f"first\n{label}\n", encoding="utf-8")
    if length <= LONGEST_LABEL:
        assert _read(labels=["first", label]).classes == 2
        assert read_labels(tmp_path / "labels.txt") == (("first", label) if label else ("first",))
        return
    with pytest.raises(ModelError) as from_spec:
        _read(labels=["first", label])
    with pytest.raises(InputError) as from_file:
        read_labels(tmp_path / "labels.txt")
    for caught in (from_spec, from_file):
        assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_labels_from_what_never_ends_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="no regular file"):
            read_labels(path)
    with open(tmp_path / "huge", "wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(InputError, match="more than"):
        read_labels(tmp_path / "huge")


QUANTIZATIONS: tuple[tuple[Any, bool], ...] = (
    ({"target": "cpu"}, True),
    ({"target": "tensorrt", "skip": ["a"]}, True),
    ({}, True),
    ({"target": "npu"}, False),
    ({"target": ["cpu"]}, False),
    ({"target": {"a": 1}}, False),
    ([], False),
    (["target"], False),
    ("cpu", False),
    (7, False),
    (None, False),
)


@pytest.mark.parametrize(("facts", "fits"), QUANTIZATIONS)
def test_what_says_how_a_model_was_quantized_is_checked(tmp_path: Path, facts: Any, fits: bool) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    with_text = sealed(model.read_bytes(), tiny_spec(), quantization={"target": "cpu"})
    text = json.dumps(facts)
    model.write_bytes(_resealed(with_text, '{"target": "cpu"}', text))
    for read in (ModelFile.open, claims_of):
        if fits:
            assert read(model).quantization == facts
            continue
        with pytest.raises(ModelError, match=r"its pptsn\.quantization is not a JSON object with a target"):
            read(model)


@pytest.mark.parametrize("depth", [10, 100_000, 1_900_000])
def test_json_of_any_depth_is_one_line(tmp_path: Path, depth: int) -> None:
    model = write_tiny_model(tmp_path / "m.onnx")
    whole = sealed(model.read_bytes(), tiny_spec(), quantization={"target": "cpu"})
    model.write_bytes(_resealed(whole, '{"target": "cpu"}', "[" * depth + "]" * depth))
    with pytest.raises(ModelError, match=r"its pptsn\.quantization is no"):
        ModelFile.open(model)


def _resealed(model: bytes, old: str, new: str) -> bytes:
    """Return `model` with a text in its metadata replaced, and a digest of it all."""
    import hashlib

    import onnx

    loaded = onnx.load_model_from_string(model)
    entries = {entry.key: entry.value for entry in loaded.metadata_props}
    del loaded.metadata_props[:], entries["pptsn.digest"]
    for key, value in entries.items():
        loaded.metadata_props.add(key=key, value=new if value == old else value)
    body = loaded.SerializeToString()
    digest = onnx.ModelProto()
    digest.metadata_props.add(key="pptsn.digest", value=hashlib.sha256(body).hexdigest())
    return body + digest.SerializeToString()


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("name", ["best.pdparams", "renamed.onnx", "weights"])
def test_a_checkpoint_given_as_a_model_is_called_one(tmp_path: Path, run, name: str, protocol: int) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"weight": 1.0}, protocol))
    with pytest.raises(ModelError, match=r"is a checkpoint .*pptsn export --weights .*, then pptsn convert onnx"):
        ModelFile.open(path)
    ending = run("classify", "clip.mp4", "--model", path)
    assert ending.code == 1
    assert f"{name}: is a checkpoint of Paddle's" in ending.err


@pytest.mark.parametrize("size", [0, 1, 9_000, 10_001, 5_000_000])
@pytest.mark.parametrize("evil", ["\x1b[31m", "\x07", "\u202e", "\x85", "a\nb"])
def test_an_error_is_one_line_of_bounded_length_that_any_terminal_can_show(size: int, evil: str) -> None:
    text = str(PptsnError("thing", f"{'x' * size}{evil}", "remedy"))
    assert text.isprintable()
    assert text.startswith("thing: ")
    assert text.endswith("; remedy")
    assert len(text) < 10_100
