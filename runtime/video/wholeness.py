"""Whether a file is all there, by what its container says of its own size."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_HEAD_BYTES = 4096
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_TS_SYNC = 0x47
# Bytes of a transport stream's packet, and those before its sync byte: as broadcast, on Blu-ray, with parity.
_TS_FORMS = ((188, 0), (192, 4), (204, 0))
_TS_PACKETS_TO_SEE = 4
_MXF_HEADER_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
_MXF_FOOTER_BYTES = 24  # after the length: versions, grid, and the offsets of this partition and the one before
_FLV_TAG_HEADER, _FLV_SIZE_FIELD = 11, 4


def is_cut_off(path: Path, container: str) -> bool:
    """Return whether the file at `path` ends before its own structure does; False where that says nothing.

    container: FFmpeg's name of its format.
    """
    look = _LOOKS.get(container)
    if look is None:
        return False
    try:
        with open(path, "rb") as file:
            return look(file, os.fstat(file.fileno()).st_size)
    except OSError:  # whoever reads the frames will meet it, and say so
        return False


def _matroska(file: BinaryIO, size: int) -> bool:
    head = file.read(_HEAD_BYTES)
    if not head.startswith(_EBML):
        return False
    length, at = _vint(head, len(_EBML))
    if length is None or head[(at := at + length) : at + len(_SEGMENT)] != _SEGMENT:
        return False
    length, at = _vint(head, at + len(_SEGMENT))
    return length is not None and at + length > size


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the EBML number at `at`, None for "unknown", and the offset after it."""
    first = data[at] if at < len(data) else 0
    if not first:
        return None, at
    width = 9 - first.bit_length()
    number = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (None if number == (1 << 7 * width) - 1 else number), at + width


def _riff(file: BinaryIO, size: int) -> bool:
    head = file.read(8)
    return head[:4] == b"RIFF" and 8 + int.from_bytes(head[4:], "little") > size


def _asf(file: BinaryIO, size: int) -> bool:
    head = file.read(_HEAD_BYTES)
    at = head.find(_ASF_FILE_PROPERTIES)
    if not head.startswith(_ASF_HEADER) or at < 0 or at + 92 > len(head):
        return False
    stated = int.from_bytes(head[at + 40 : at + 48], "little")
    is_broadcast = head[at + 88] & 1  # its size means nothing
    return not is_broadcast and stated > size


def _flv(file: BinaryIO, size: int) -> bool:
    """Return whether the last tag is not followed by its own size, as each is."""
    if size <= _FLV_SIZE_FIELD + _FLV_TAG_HEADER:
        return True
    file.seek(size - _FLV_SIZE_FIELD)
    tag_bytes = int.from_bytes(file.read(_FLV_SIZE_FIELD), "big")
    begin = size - _FLV_SIZE_FIELD - tag_bytes
    if tag_bytes < _FLV_TAG_HEADER or begin < 0:
        return True
    file.seek(begin + 1)
    return int.from_bytes(file.read(3), "big") != tag_bytes - _FLV_TAG_HEADER


def _mxf(file: BinaryIO, size: int) -> bool:
    """Return whether the file ends before its footer, which its header tells of once the file is complete."""
    head = file.read(_HEAD_BYTES)
    if not head.startswith(_MXF_HEADER_PARTITION):
        return False
    at = 17 + (head[16] & 0x7F if head[16] & 0x80 else 0) + _MXF_FOOTER_BYTES
    return int.from_bytes(head[at : at + 8], "big") >= size


def _transport_stream(file: BinaryIO, size: int) -> bool:
    """Return whether the last packet of a transport stream is not whole."""
    head = file.read(_HEAD_BYTES)
    for length, before in _TS_FORMS:
        for first in range(length):
            seen = head[first : first + length * _TS_PACKETS_TO_SEE : length]
            if len(seen) == _TS_PACKETS_TO_SEE and set(seen) == {_TS_SYNC}:
                rest = (size - first + before) % length
                file.seek(size - rest + before)
                return rest > 0 and (rest <= before or file.read(1)[:1] == bytes([_TS_SYNC]))
    return False


_LOOKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "asf": _asf,
    "avi": _riff,
    "flv": _flv,
    "matroska,webm": _matroska,
    "mxf": _mxf,
    "mpegts": _transport_stream,
}
