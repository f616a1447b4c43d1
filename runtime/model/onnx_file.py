"""Reading an ONNX file's metadata and checking that it arrived whole, without the `onnx` package.

An ONNX file is one protocol-buffers message (onnx.proto, ModelProto): a sequence of fields, each a tag, a
length and as many bytes.  Only that outermost level is read here.  `content_digest` covers every byte of it
but the digest entry itself, so weights, graph, spec and labels are all protected by it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.spec import ModelSpec

SPEC_KEY = "pptsn.spec"
DIGEST_KEY = "pptsn.digest"
# How an INT8 model was quantized, as a JSON object; other models have none.
QUANTIZATION_KEY = "pptsn.quantization"

_METADATA_PROPS = 14  # ModelProto.metadata_props: StringStringEntryProto {1: key, 2: value}
_WIRE_VARINT, _WIRE_FIXED64, _WIRE_BYTES, _WIRE_FIXED32 = 0, 1, 2, 5
_REMEDY = "copy the file again, or convert the model again"


@dataclass(frozen=True)
class _Field:
    """One field of a message: its number, where it starts (the tag), and where its content lies."""

    number: int
    start: int
    content: int
    end: int


class _BrokenMessageError(ValueError):
    """The bytes are no protocol-buffers message."""


def read_spec(path: str | Path) -> ModelSpec:
    """Return the spec in the metadata of the deployment graph at `path`, after checking the file's digest.

    Raises ModelError for a file that is missing, truncated, altered, no ONNX model or no PP-TSN model.
    """
    return ModelSpec.from_json(_checked_metadata(path)[SPEC_KEY], source=path)


def read_quantization(path: str | Path) -> dict[str, Any] | None:
    """Return how the model at `path` was quantized, or None where it was not; errors as `read_spec`."""
    text = _checked_metadata(path).get(QUANTIZATION_KEY)
    if text is None:
        return None
    try:
        facts: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise ModelError(path, f"its {QUANTIZATION_KEY} is no JSON ({error})", "quantize it again") from error
    return facts


def quantization_target(path: str | Path) -> str | None:
    """Return what the model at `path` was quantized for (`tensorrt`, `cpu`), or None; errors as `read_spec`."""
    return (read_quantization(path) or {}).get("target")


def _checked_metadata(path: str | Path) -> dict[str, bytes]:
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ModelError(path, "is no regular file", "name an .onnx file")
        with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            metadata, digest = _metadata(data), content_digest(data)
    except OSError as error:
        raise ModelError(path, f"cannot be read ({error.strerror})", "name an .onnx file") from error
    except ValueError as error:  # an empty file cannot be mapped, and says so by ValueError too
        raise ModelError(path, f"is no ONNX model, or a damaged one ({error})", _REMEDY) from error
    if SPEC_KEY not in metadata:
        raise ModelError(
            path, f"is no PP-TSN model: its metadata has no {SPEC_KEY}", "make one by: pptsn convert onnx"
        )
    if metadata.get(DIGEST_KEY) != digest.encode():
        raise ModelError(path, "is damaged: its content does not match the digest it carries", _REMEDY)
    return metadata


def content_digest(data: bytes | mmap.mmap) -> str:
    """Return the SHA-256, in hexadecimal, of a serialized ModelProto without its `pptsn.digest` entry."""
    digest = hashlib.sha256()
    with memoryview(data) as view:
        for field in _fields(view):
            if not (field.number == _METADATA_PROPS and _entry(view, field)[0] == DIGEST_KEY):
                digest.update(view[field.start : field.end])
    return digest.hexdigest()


def _metadata(data: bytes | mmap.mmap) -> dict[str, bytes]:
    with memoryview(data) as view:
        return dict(_entry(view, field) for field in _fields(view) if field.number == _METADATA_PROPS)


def _entry(view: memoryview, field: _Field) -> tuple[str, bytes]:
    """Return the key and value of a metadata entry."""
    values = {1: b"", 2: b""}
    with view[field.content : field.end] as content:
        for part in _fields(content):
            values[part.number] = bytes(content[part.content : part.end])
    return values[1].decode("utf-8"), values[2]


def _fields(view: memoryview) -> Iterator[_Field]:
    """Yield the fields of a message, in order; raises ValueError where the bytes are not one."""
    position = 0
    while position < len(view):
        tag, content = _varint(view, position)
        wire_type = tag & 7
        if wire_type == _WIRE_BYTES:
            length, content = _varint(view, content)
            end = content + length
        elif wire_type == _WIRE_VARINT:
            end = _varint(view, content)[1]
        elif wire_type in (_WIRE_FIXED32, _WIRE_FIXED64):
            end = content + (8 if wire_type == _WIRE_FIXED64 else 4)
        else:
            raise _BrokenMessageError(f"unknown field type {wire_type} at byte {position}")
        if end > len(view):
            raise _BrokenMessageError(f"ends at byte {len(view)}, {end - len(view)} bytes too early")
        yield _Field(tag >> 3, position, content, end)
        position = end


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    """Return a variable-length integer and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise _BrokenMessageError("ends within a number")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _BrokenMessageError("has a number of more than 64 bits")
