"""Containers that are rows of packets or pages, of which the last one may not be whole."""

from __future__ import annotations

from typing import BinaryIO

_HEAD_BYTES = 4096
_UNWRITTEN_BYTES = 4096
_TS_SYNC = 0x47
# Bytes of a transport stream's packet, and those before its sync byte: as broadcast, on Blu-ray, with parity.
_TS_FORMS = ((188, 0), (192, 4), (204, 0))
_TS_PACKETS_TO_SEE = 4
FLV = b"FLV"
_FLV_TAG_HEADER, _FLV_SIZE_FIELD = 11, 4
# Where the last packets of a program stream begin, and the last pages of an Ogg file, at the latest.
_TAIL_BYTES = 1 << 18
_START_CODE = b"\0\0\1"
_PACK, _PROGRAM_END, _FIRST_OF_PACKETS = 0xBA, 0xB9, 0xBB
_PACK_BYTES, _MPEG1_PACK_BYTES, _PACKET_HEADER = 14, 12, 6
_OGG_PAGE, _OGG_HEADER, _OGG_LAST_PAGE = b"OggS", 27, 4
# A frame of DV in bytes, as in the two television systems; at a higher rate it takes several times that.
_DV_FRAMES, _DV_SYSTEM = (120_000, 144_000), 0x80
_DV_FRAME_BEGIN, _DV_SYSTEM_AT = b"\x1f\x07\x00", 3
RM, _RM_DATA, _RM_CHUNK_HEADER, _RM_MOST_CHUNKS = b".RMF", b"DATA", 8, 100
# FFmpeg states so many bytes too many; a packet has more.
_RM_TOLERATED = 10
_MOST_UNITS = 1_000_000  # of a file are walked through
_OBU_HEAD_BYTES, _OBU_HAS_EXTENSION, _OBU_HAS_SIZE = 10, 4, 2


def is_unwritten(file: BinaryIO, size: int) -> bool:
    """Return whether the last of the file are zeros, where a copy was to come; goes to its begin afterwards.

    Of containers that pad with zeros that says nothing.
    """
    file.seek(max(0, size - _UNWRITTEN_BYTES))
    is_blank = size >= _UNWRITTEN_BYTES and not any(file.read())
    file.seek(0)
    return is_blank


def flv(file: BinaryIO, size: int) -> bool:
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


def transport_stream(file: BinaryIO, size: int) -> bool:
    """Return whether the last packet of a transport stream is not whole."""
    if is_unwritten(file, size):
        return True
    head = file.read(_HEAD_BYTES)
    for length, before in _TS_FORMS:
        for first in range(length):
            seen = head[first : first + length * _TS_PACKETS_TO_SEE : length]
            if len(seen) == _TS_PACKETS_TO_SEE and set(seen) == {_TS_SYNC}:
                rest = (size - first + before) % length
                file.seek(size - rest + before)
                return rest > 0 and (rest <= before or file.read(1)[:1] == bytes([_TS_SYNC]))
    return False


def program_stream(file: BinaryIO, size: int) -> bool:
    """Return whether the last packet of an MPEG program stream is not whole."""
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    at = tail.find(_START_CODE + bytes([_PACK]))
    while 0 <= at < len(tail):
        rest = tail[at : at + _PACK_BYTES]
        length = _program_packet_bytes(rest)
        if length is None:  # zeros to fill up, or what is broken, from which nothing can be told
            return len(rest) < _PACKET_HEADER and rest.startswith(_START_CODE)
        at += length
    return at > len(tail)


def _program_packet_bytes(head: bytes) -> int | None:
    """Return how long the packet with this beginning is; None where it is none, or too short to tell."""
    if not head.startswith(_START_CODE) or len(head) < len(_START_CODE) + 1:
        return None
    kind = head[3]
    if kind == _PROGRAM_END:
        return len(_START_CODE) + 1
    if kind == _PACK:
        is_mpeg2 = len(head) > 4 and head[4] >> 6 == 1
        stuffing = head[_PACK_BYTES - 1] & 7 if is_mpeg2 and len(head) == _PACK_BYTES else 0
        return _PACK_BYTES + stuffing if is_mpeg2 else _MPEG1_PACK_BYTES
    if kind < _FIRST_OF_PACKETS or len(head) < _PACKET_HEADER:
        return None
    return _PACKET_HEADER + int.from_bytes(head[4:6], "big")


def ogg(file: BinaryIO, size: int) -> bool:
    """Return whether the last page is not whole, or is the last of no stream."""
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    at, ends = tail.find(_OGG_PAGE), False
    while 0 <= at < len(tail):
        header = tail[at : at + _OGG_HEADER]
        if not header.startswith(_OGG_PAGE):
            if _OGG_PAGE.startswith(header):
                return True
            at = tail.find(_OGG_PAGE, at)
            continue
        if len(header) < _OGG_HEADER:
            return True
        segments = tail[at + _OGG_HEADER : at + _OGG_HEADER + header[-1]]
        if len(segments) < header[-1]:
            return True
        ends |= bool(header[5] & _OGG_LAST_PAGE)
        at += _OGG_HEADER + len(segments) + sum(segments)
    return at > len(tail) or not ends


def dv(file: BinaryIO, size: int) -> bool:
    """Return whether the last frame is not whole: all are of one size, and begin alike."""
    head = file.read(_DV_SYSTEM_AT + 1)
    if len(head) <= _DV_SYSTEM_AT:
        return False
    rest = size % _DV_FRAMES[bool(head[_DV_SYSTEM_AT] & _DV_SYSTEM)]
    file.seek(size - rest)
    return rest > 0 and _DV_FRAME_BEGIN.startswith(file.read(min(rest, len(_DV_FRAME_BEGIN))))


def real_media(file: BinaryIO, size: int) -> bool | None:
    """Return whether the file ends before its data do; None where it does not say how long they are."""
    at = 0
    for _ in range(_RM_MOST_CHUNKS):
        file.seek(at)
        header = file.read(_RM_CHUNK_HEADER)
        length = int.from_bytes(header[4:], "big")
        if len(header) < _RM_CHUNK_HEADER:
            return True
        if header.startswith(_RM_DATA):
            return at + length - _RM_TOLERATED > size if length else None
        at += max(length, _RM_CHUNK_HEADER)
    return None


def av1_units(file: BinaryIO, size: int) -> bool | None:
    """Return whether the last of the units of a bare AV1 stream is not whole; None where that cannot be told."""
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= size:
            return at > size
        file.seek(at)
        head = file.read(_OBU_HEAD_BYTES)
        if not head[0] & _OBU_HAS_SIZE:
            return None
        begin = 2 if head[0] & _OBU_HAS_EXTENSION else 1
        length = next((n for n, byte in enumerate(head[begin:], 1) if not byte & 0x80), 0)
        if not length:
            return len(head) < _OBU_HEAD_BYTES or None
        digits = head[begin : begin + length]
        at += begin + length + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(digits))
    return None
