"""Containers that are rows of packets or pages, of which the last one may not be whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEAD_BYTES = 4096
# So many zeros at the end are room that was never written, unless they begin where a packet does and are no more.
_UNWRITTEN_BYTES, _MOST_ZEROS = 4096, 1 << 17
_TS_SYNC = 0x47
# Bytes of a transport stream's packet, and those before its sync byte: as broadcast, on Blu-ray, with parity.
_TS_FORMS = ((188, 0), (192, 4), (204, 0))
_TS_PACKETS_TO_SEE = 4
# Which byte of a packet says in two bits that it is encrypted; in so many bytes of a file most say it, or none.
_TS_CONTROL_AT, _TS_SCRAMBLED, _TS_SCRAMBLED_BYTES = 3, 0xC0, 1 << 20
# On Blu-ray, each is preceded by when it arrived, in steps of so many a second.
_TS_ARRIVAL_BYTES, _TS_SECOND = 4, 27_000_000
# A picture may end with so many zeros.
_TS_LAST_ZEROS = 4
FLV = b"FLV"
_FLV_TAG_HEADER, _FLV_SIZE_FIELD, _FLV_HEADER_BYTES_AT, _FLV_STREAM_AT = 11, 4, 5, 8
_FLV_TAGS, _FLV_FILTERED = frozenset({8, 9, 18}), 0x20
_FLV_TAG = re.compile(rb"[\x08\x09\x12].{7}\0\0\0", re.DOTALL)
# More than this behind the last of the packets is no tag.
_MOST_BEHIND = 1 << 20
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
_OBU_HEAD_BYTES, _OBU_NOT_SET, _OBU_HAS_EXTENSION, _OBU_HAS_SIZE = 10, 0x81, 4, 2
# What a unit holds: all kinds that there are, of which the one that begins a picture holds nothing.
_OBU_KIND_AT, _OBU_KIND, _OBU_KINDS, _OBU_DELIMITER = 3, 15, frozenset({1, 2, 3, 4, 5, 6, 7, 8, 15}), 2
AV1_DELIMITER = b"\x12\0"


def is_unwritten(file: BinaryIO, size: int) -> bool:
    """Return whether the last of the file are zeros, where a copy was to come; goes to its begin afterwards.

    Of containers that pad with zeros that says nothing.
    """
    file.seek(max(0, size - _UNWRITTEN_BYTES))
    is_blank = size >= _UNWRITTEN_BYTES and not any(file.read())
    file.seek(0)
    return is_blank


def flv(file: BinaryIO, size: int) -> bool:
    """Return whether the last tag is not whole; each is followed by its own size."""
    if size <= _FLV_SIZE_FIELD + _FLV_TAG_HEADER:
        return True
    file.seek(size - _FLV_SIZE_FIELD)
    tag_bytes = int.from_bytes(file.read(_FLV_SIZE_FIELD), "big")
    begin = size - _FLV_SIZE_FIELD - tag_bytes
    if tag_bytes >= _FLV_TAG_HEADER and begin >= 0:
        file.seek(begin + 1)
        if int.from_bytes(file.read(3), "big") == tag_bytes - _FLV_TAG_HEADER:
            return False
    return not _ends_behind_a_flv_tag(file, size)


def _ends_behind_a_flv_tag(file: BinaryIO, size: int) -> bool:
    """Return whether the last tag is whole, and what follows it is none, and holds none."""
    file.seek(_FLV_HEADER_BYTES_AT)
    at, tag_bytes = int.from_bytes(file.read(_FLV_SIZE_FIELD), "big"), 0
    for _ in range(_MOST_UNITS):
        file.seek(at)
        head = file.read(_FLV_SIZE_FIELD + _FLV_TAG_HEADER)
        if at + _FLV_SIZE_FIELD == size:
            return True
        if at + _FLV_SIZE_FIELD > size:
            return False
        tag = head[_FLV_SIZE_FIELD:]
        if not _begins_flv_tag(tag):
            file.seek(at + _FLV_SIZE_FIELD)
            is_whole = tag_bytes == int.from_bytes(head[:_FLV_SIZE_FIELD], "big")
            return is_whole and size - at <= _MOST_BEHIND and not _FLV_TAG.search(file.read())
        tag_bytes = _FLV_TAG_HEADER + int.from_bytes(tag[1:4], "big")
        at += _FLV_SIZE_FIELD + tag_bytes
    return False


def _begins_flv_tag(head: bytes) -> bool:
    """Return whether this is the beginning of a tag, which may not be whole: sound, video or data, of stream 0."""
    return head[0] & ~_FLV_FILTERED in _FLV_TAGS and not any(head[_FLV_STREAM_AT:])


def transport_stream(file: BinaryIO, size: int) -> bool:
    """Return whether the last packet of a transport stream is not whole."""
    form = _ts_form(file.read(_HEAD_BYTES))
    if form is None:
        return is_unwritten(file, size)
    first, length, before = form
    return _ends_inside_ts_packet(file, size, first - before, length, before)


def _ts_form(head: bytes) -> tuple[int, int, int] | None:
    """Return where the first sync byte is, how long a packet is, and how many of its bytes stand before that."""
    for length, before in _TS_FORMS:
        for first in range(length):
            seen = head[first : first + length * _TS_PACKETS_TO_SEE : length]
            if len(seen) == _TS_PACKETS_TO_SEE and set(seen) == {_TS_SYNC}:
                return first, length, before
    return None


def is_scrambled(file: BinaryIO, size: int) -> bool:
    """Return whether this is a transport stream of which most packets say that they are encrypted."""
    head = file.read(min(size, _TS_SCRAMBLED_BYTES))
    form = _ts_form(head[:_HEAD_BYTES])
    if form is None:
        return False
    first, length, _ = form
    controls = head[first + _TS_CONTROL_AT :: length]
    return sum(control & _TS_SCRAMBLED > 0 for control in controls) > len(controls) / 2


def _ends_inside_ts_packet(file: BinaryIO, size: int, first: int, length: int, before: int) -> bool:
    """Return whether the last of the packets from `first` on is not whole, or was to be filled later.

    What is shorter than what stands before a sync byte is told by that of the packet before.  A few zeros behind a
    whole packet are none.
    """
    rest = (size - first) % length
    file.seek(max(0, size - rest - length))
    packet, last = file.read(min(length, size - rest)), file.read(length)
    if last[before : before + 1] == bytes([_TS_SYNC]):
        return True
    if rest <= before and any(last) and _follows_on_disc(packet[:rest], last):
        return True
    if not is_unwritten(file, size):
        return False
    file.seek(max(0, size - _MOST_ZEROS))
    written = file.read().rstrip(b"\0")
    end = max(0, size - _MOST_ZEROS) + len(written)
    unfilled = -(end - first) % length
    return not written or unfilled > _TS_LAST_ZEROS


def _follows_on_disc(earlier: bytes, later: bytes) -> bool:
    """Return whether these are the first bytes of when two packets arrived, less than about a second apart."""
    passed = int.from_bytes(later, "big") - int.from_bytes(earlier, "big")
    return 0 <= passed <= max(1, _TS_SECOND >> 8 * (_TS_ARRIVAL_BYTES - len(later)))


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
    return ogg_end(file, size) is None


def ogg_end(file: BinaryIO, size: int) -> int | None:
    """Return where the last page ends; None where it is not whole, or is the last of no stream."""
    begin = max(0, size - _TAIL_BYTES)
    file.seek(begin)
    tail = file.read()
    at, end, ends = tail.find(_OGG_PAGE), None, False
    while 0 <= at < len(tail):
        header = tail[at : at + _OGG_HEADER]
        if not header.startswith(_OGG_PAGE):
            if _OGG_PAGE.startswith(header):
                return None
            at = tail.find(_OGG_PAGE, at)
            continue
        if len(header) < _OGG_HEADER:
            return None
        segments = tail[at + _OGG_HEADER : at + _OGG_HEADER + header[-1]]
        if len(segments) < header[-1]:
            return None
        ends |= bool(header[5] & _OGG_LAST_PAGE)
        end = at = at + _OGG_HEADER + len(segments) + sum(segments)
    return begin + end if ends and end is not None and end <= len(tail) else None


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


@dataclass(frozen=True)
class Av1Unit:
    """A unit of a bare AV1 stream: its kind, its offset, and that of the next one.

    is_valid: whether its beginning is that of one, as far as it is there.  sized: whether it says how long it is.
    """

    kind: int
    begin: int
    end: int
    is_valid: bool
    sized: bool


def av1_walk(file: BinaryIO, size: int, at: int = 0) -> Iterator[Av1Unit]:
    """Yield the units from `at` on; the last one may reach beyond the end of the file, or be none."""
    for _ in range(_MOST_UNITS):
        if at >= size:
            return
        file.seek(at)
        unit = _av1_unit(file.read(_OBU_HEAD_BYTES), at)
        yield unit
        if not unit.is_valid:
            return
        at = unit.end


def _av1_unit(head: bytes, at: int) -> Av1Unit:
    kind, sized = head[0] >> _OBU_KIND_AT & _OBU_KIND, bool(head[0] & _OBU_HAS_SIZE)
    begin = 2 if head[0] & _OBU_HAS_EXTENSION else 1
    length = next((n for n, byte in enumerate(head[begin:], 1) if not byte & 0x80), 0)
    digits = head[begin : begin + length]
    content = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(digits))
    is_whole_or_cut = bool(length) or len(head) < _OBU_HEAD_BYTES
    is_valid = sized and not head[0] & _OBU_NOT_SET and kind in _OBU_KINDS and is_whole_or_cut
    is_valid &= not (content and kind == _OBU_DELIMITER)
    end = at + begin + length + content if length else at + len(head) + 1
    return Av1Unit(kind, at, end, is_valid, sized)


def av1_units(file: BinaryIO, size: int) -> bool | None:
    """Return whether the last of the units of a bare AV1 stream is not whole; None where that cannot be told."""
    last = None
    for last in av1_walk(file, size):  # noqa: B007  # the last one tells
        pass
    if last is None:
        return False
    return last.end > size if last.is_valid else None
