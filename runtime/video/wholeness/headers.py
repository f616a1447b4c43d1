"""Containers whose header says how long the file is, or where its end lies."""

from __future__ import annotations

from typing import BinaryIO

_HEAD_BYTES = 4096
EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
# What a segment holds: where things are, what it is of, tracks, clusters, cues, files, chapters, tags; sums and
# fillings; another segment.  What a cluster holds.
_WHERE, _ABOUT, _TRACKS, _CUES = b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1c\x53\xbb\x6b"
_FILES, _CHAPTERS, _TAGS = b"\x19\x41\xa4\x69", b"\x10\x43\xa7\x70", b"\x12\x54\xc3\x67"
_IN_SEGMENT = frozenset(
    {EBML, _SEGMENT, _CLUSTER, _WHERE, _ABOUT, _TRACKS, _CUES, _FILES, _CHAPTERS, _TAGS, b"\xbf", b"\xec"}
)
_IN_CLUSTER = frozenset({b"\xe7", b"\x58\x54", b"\xa7", b"\xab", b"\xa3", b"\xa0", b"\xaf"})
_LONGEST_ID, _LONGEST_LENGTH = 4, 8
_MOST_PARTS = 1_000_000  # of a file are walked through
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MXF_HEADER = bytes.fromhex("060e2b34020501010d01020101")
_MXF_PARTITION = MXF_HEADER  # as other partitions begin
_MXF_FOOTER_BYTES = 24  # after the length: versions, grid, and the offsets of this partition and the one before
RIFF = b"RIFF"
_RIFF_UNKNOWN = (0, 0xFFFFFFFF)  # of a file that was written in one go
IVF = b"DKIF"
_IVF_HEADER, _IVF_PACKET_HEADER = 32, 12
_SWF_PLAIN = b"FWS"


def matroska(file: BinaryIO, size: int) -> bool | None:
    """Return whether the file ends before its segment, or inside an element of one whose length nobody knew."""
    segment = _matroska_segment(file)
    if segment is None:
        return False
    length, at = segment
    return _ends_inside_an_element(file, at, size) if length is None else at + length > size


def ends_inside_a_cluster(file: BinaryIO, size: int) -> bool:
    """Return whether a Matroska file ends inside a cluster, whose last pictures it lacks, and not in its cues."""
    segment = _matroska_segment(file)
    at = size if segment is None else segment[1]
    for _ in range(_MOST_PARTS):
        if at >= size:
            return False
        file.seek(at)
        head = file.read(_LONGEST_ID + _LONGEST_LENGTH)
        found = next((found for found in _IN_SEGMENT if head.startswith(found)), b"")
        length, begin = _vint(head, len(found))
        if not found or length is None or begin == len(found):
            return False
        at += begin + length
        if found == _CLUSTER and at > size:
            return True
    return False


def _matroska_segment(file: BinaryIO) -> tuple[int | None, int] | None:
    """Return the length of the segment, None for one that nobody knew, and where its content begins."""
    head = file.read(_HEAD_BYTES)
    if not head.startswith(EBML):
        return None
    length, at = _vint(head, len(EBML))
    if length is None or head[(at := at + length) : at + len(_SEGMENT)] != _SEGMENT:
        return None
    return _vint(head, at + len(_SEGMENT))


def _ends_inside_an_element(file: BinaryIO, at: int, size: int) -> bool | None:
    """Return whether the last of the elements from `at` on is not whole; None where that cannot be told."""
    ids = _IN_SEGMENT
    for _ in range(_MOST_PARTS):
        if at >= size:
            return at > size
        file.seek(at)
        head = file.read(_LONGEST_ID + _LONGEST_LENGTH)
        found = next((found for found in ids if found.startswith(head[: len(found)])), None)
        if found is None:  # no element: what follows the last one
            return None
        length, begin = _vint(head, len(found))
        if begin == len(found) < len(head):
            return None
        if begin == len(found) or begin > len(head):
            return True
        if length is None and found != _CLUSTER:
            return None
        if found == _CLUSTER:
            # What is in one of unknown length follows like elements beside it.
            ids = _IN_SEGMENT | _IN_CLUSTER if length is None else _IN_SEGMENT
        at += begin + (length or 0)
    return None


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the EBML number at `at`, None for "unknown", and the offset after it."""
    first = data[at] if at < len(data) else 0
    if not first:
        return None, at
    width = 9 - first.bit_length()
    number = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (None if number == (1 << 7 * width) - 1 else number), at + width


def riff(file: BinaryIO, size: int) -> bool | None:
    """Return whether an AVI ends before its first RIFF chunk; None where the length of that is not known."""
    head = file.read(8)
    length = int.from_bytes(head[4:], "little")
    if head[:4] == RIFF and length in _RIFF_UNKNOWN:
        return None
    return head[:4] == RIFF and 8 + length > size


def ivf(file: BinaryIO, size: int) -> bool | None:
    """Return whether the last packet is not whole; None where the header may tell of more packets.

    It tells how many there are, or how long all take, or nothing.
    """
    header = file.read(_IVF_HEADER)
    at, packets = int.from_bytes(header[6:8], "little") or _IVF_HEADER, 0
    for _ in range(_MOST_PARTS):
        if at + _IVF_PACKET_HEADER > size:
            break
        file.seek(at)
        length = int.from_bytes(file.read(4), "little")
        at += _IVF_PACKET_HEADER + length
        packets += length > 0  # zeros are none
    else:
        return None
    if at != size:
        return True
    return False if packets >= int.from_bytes(header[24:28], "little") else None


def asf(file: BinaryIO, size: int) -> bool:
    """Return whether the file is shorter than its file properties say."""
    head = file.read(_HEAD_BYTES)
    at = head.find(_ASF_FILE_PROPERTIES)
    if not head.startswith(ASF_HEADER) or at < 0 or at + 92 > len(head):
        return False
    stated = int.from_bytes(head[at + 40 : at + 48], "little")
    is_broadcast = head[at + 88] & 1  # its size means nothing
    return not is_broadcast and stated > size


def mxf(file: BinaryIO, size: int) -> bool:
    """Return whether the file lacks its footer, which its header tells of once the file is complete."""
    head = file.read(_HEAD_BYTES)
    if not head.startswith(MXF_HEADER):
        return False
    at = 17 + (head[16] & 0x7F if head[16] & 0x80 else 0) + _MXF_FOOTER_BYTES
    footer = int.from_bytes(head[at : at + 8], "big")
    file.seek(min(footer, size))
    return footer > 0 and file.read(len(_MXF_PARTITION)) != _MXF_PARTITION


def swf(file: BinaryIO, size: int) -> bool:
    """Return whether the file is shorter than its header says; of one that is compressed that is not known."""
    head = file.read(8)
    return head.startswith(_SWF_PLAIN) and int.from_bytes(head[4:], "little") > size
