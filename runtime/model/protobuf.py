"""Serialized protocol-buffers messages, walked and extended without the package `protobuf` or any schema.

A message is a sequence of fields, each a tag (the field's number and how its content is written), for most a
length, and the content.  Kept by hand: a device that runs models has neither `onnx` nor `protobuf` installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


@dataclass(frozen=True)
class Field:
    """One field of a message: its number, where it starts (the tag), and where its content lies."""

    number: int
    start: int
    content: int
    end: int


class BrokenMessageError(ValueError):
    """The bytes are no protocol-buffers message."""


def fields(view: memoryview) -> Iterator[Field]:
    """Yield the fields of a message, in order; raises BrokenMessageError where the bytes are not one."""
    position = 0
    while position < len(view):
        tag, content = _read_varint(view, position)
        wire_type = tag & 7
        if wire_type == _BYTES:
            length, content = _read_varint(view, content)
            end = content + length
        elif wire_type == _VARINT:
            end = _read_varint(view, content)[1]
        elif wire_type in _FIXED_BYTES:
            end = content + _FIXED_BYTES[wire_type]
        else:
            raise BrokenMessageError(f"unknown field type {wire_type} at byte {position}")
        if end > len(view):
            raise BrokenMessageError(f"ends at byte {len(view)}, {end - len(view)} bytes too early")
        yield Field(tag >> 3, position, content, end)
        position = end


def numbers(view: memoryview, field: Field, *, most: int) -> Iterator[int]:
    """Yield the integers of one field of the message `view`, at most `most`: a single one, or several packed."""
    position = field.content
    packed = view[field.start] & 7 == _BYTES  # a tag's last three bits stand in its first byte
    for _ in range(most if packed else 1):
        if position >= field.end:
            return
        value, position = _read_varint(view, position)
        yield value


def bytes_field(number: int, content: bytes) -> bytes:
    """Return a field that holds bytes, text or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    """Return a variable-length integer and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise BrokenMessageError("ends within a number")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise BrokenMessageError("has a number of more than 64 bits")
