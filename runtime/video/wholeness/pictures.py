"""Moving pictures in files of pictures: GIF, PNG and JPEG; and those that are not coded, as Y4M."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from pptsn.runtime.video.wholeness.packets import is_unwritten

_GIF_HEADER, _GIF_TABLE_AT = 13, 10
_GIF_EXTENSION, _GIF_PICTURE, _GIF_END = b"\x21", b"\x2c", b"\x3b"
_GIF_PICTURE_HEADER = 9
_PNG_SIGNATURE, _PNG_CHUNK, _PNG_END = b"\x89PNG\r\n\x1a\n", 12, b"IEND"
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_TAIL_BYTES = 1 << 22
_LONGEST_LINE = 1024
_BOUNDARY = re.compile(rb"\s*--[^\r\n]*\s*")
Y4M, _Y4M_FRAME = b"YUV4MPEG2", b"FRAME"
# By the beginning of a colour space: how many pixels across and down share its two colours, none having none; and
# how many planes are as large as the picture.
_Y4M_COLOURS = {
    b"420": (2, 2, 1),
    b"411": (4, 1, 1),
    b"422": (2, 1, 1),
    b"444alpha": (1, 1, 2),
    b"444": (1, 1, 1),
    b"mono": (0, 0, 1),
}
_Y4M_DEEP = re.compile(rb"(?:p|mono)(?:9|1[0-6])")  # more than eight bits are two bytes


def gif(file: BinaryIO, size: int) -> bool:
    """Return whether the file ends inside a block, or without the mark of its end."""
    kind, _ = _gif_walk(file)
    # What is neither a block nor the end is broken, and says nothing.
    return not kind or (kind == b"\0" and is_unwritten(file, size))


def gif_break(file: BinaryIO, size: int) -> int | None:
    """Return where what is no block stands before the mark of the end; None where nothing does."""
    kind, at = _gif_walk(file)
    return None if kind in (b"", _GIF_END) or (kind == b"\0" and is_unwritten(file, size)) else at


def _gif_walk(file: BinaryIO) -> tuple[bytes, int]:
    """Return the first byte that begins no block, and where it is; no byte where the file ends before it."""
    header = file.read(_GIF_HEADER)
    if len(header) < _GIF_HEADER:
        return b"", 0
    _skip(file, _gif_table_bytes(header[_GIF_TABLE_AT]))
    while (kind := _gif_kind(file)) in (_GIF_EXTENSION, _GIF_PICTURE):
        if kind == _GIF_EXTENSION:
            _skip(file, 1)
        else:
            description = file.read(_GIF_PICTURE_HEADER)
            if len(description) < _GIF_PICTURE_HEADER:
                return b"", 0
            _skip(file, _gif_table_bytes(description[-1]) + 1)  # and the width of its codes
        while length := file.read(1):
            if length == b"\0":
                break
            _skip(file, length[0])
    return kind, file.tell()


def _gif_kind(file: BinaryIO) -> bytes:
    """Return the first byte of the next block; some writers leave a zero before it."""
    kind = file.read(1)
    if kind != b"\0":
        return kind
    following = file.read(1)
    return following if following in (_GIF_EXTENSION, _GIF_PICTURE, _GIF_END) else kind


def _gif_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip(file: BinaryIO, count: int) -> None:
    file.seek(count, os.SEEK_CUR)


def png(file: BinaryIO, size: int) -> bool:
    """Return whether the file ends before its last chunk."""
    if file.read(len(_PNG_SIGNATURE)) != _PNG_SIGNATURE:
        return False
    at = len(_PNG_SIGNATURE)
    while at + _PNG_CHUNK <= size:
        file.seek(at)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        at += _PNG_CHUNK + length
        if kind == _PNG_END:
            return at > size
    return True


def jpegs(file: BinaryIO, size: int) -> bool:
    """Return whether the last of the pictures in a row has no end."""
    file.seek(max(0, size - _JPEG_TAIL_BYTES))
    tail = file.read()
    return tail.rfind(_JPEG_START) > tail.rfind(_JPEG_END)


def ends_with_a_boundary(file: BinaryIO, at: int) -> bool:
    """Return whether from `at` on nothing follows but the boundary after the last part of a multipart message."""
    file.seek(at)
    return _BOUNDARY.fullmatch(file.read(_LONGEST_LINE)) is not None


def y4m(file: BinaryIO, size: int) -> bool:
    """Return whether the last picture is not whole."""
    return y4m_end(file, size)[0] is None


def y4m_end(file: BinaryIO, size: int) -> tuple[int | None, int]:
    """Return where the last of the pictures in a row ends, None where it is not whole, and the bytes of each."""
    picture_bytes = _y4m_picture_bytes(file.readline(_LONGEST_LINE))
    end = file.tell()
    while picture_bytes and (line := file.readline(_LONGEST_LINE)):
        if not line.startswith(_Y4M_FRAME):
            return (None if _Y4M_FRAME.startswith(line) else end), picture_bytes
        end = file.tell() + picture_bytes
        if not line.endswith(b"\n") or end > size:
            return None, picture_bytes
        file.seek(end)
    return (end if picture_bytes else size), picture_bytes


def _y4m_picture_bytes(header: bytes) -> int:
    """Return how many bytes a picture takes by the header of its file; 0 where that is not known."""
    fields = {field[:1]: field[1:] for field in header.split()[1:]}
    colours = fields.get(b"C", b"420")
    shared = next((found for name, found in _Y4M_COLOURS.items() if colours.startswith(name)), None)
    if shared is None or not (fields.get(b"W", b"").isdigit() and fields.get(b"H", b"").isdigit()):
        return 0
    width, height = int(fields[b"W"]), int(fields[b"H"])
    across, down, full = shared
    samples = full * width * height + (2 * -(-width // across) * -(-height // down) if across else 0)
    return samples * (2 if _Y4M_DEEP.search(colours) else 1)
