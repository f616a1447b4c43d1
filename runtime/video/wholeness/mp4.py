"""MP4 and QuickTime: boxes in a row, of which one is the index of all, or fragments have one each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

_LENGTH, _HEADER, _LARGE_HEADER = 4, 8, 16
_LARGE, _TO_THE_END = 1, 0
_INDEX, _FRAGMENT, _DATA, _SEGMENTS = b"moov", b"moof", b"mdat", b"sidx"
_FRAGMENTS = b"mfra"  # where they are; the last one
_FIRST = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
# One that is not whole lacks pictures, or where they are.
_NEEDED = frozenset({_INDEX, _FRAGMENT, _DATA, _SEGMENTS, b"styp"})
_IN_FRAGMENTS = frozenset({_FRAGMENT, _SEGMENTS, b"styp"})
_MOST_BOXES = 1_000_000
# Of a file that is not made of fragments.
_MOST_PARTS = 64
_MOST_SEGMENTS_BYTES = 1 << 20


@dataclass(frozen=True)
class _Box:
    """A box by its four letters, its offset, that of its content, and that of the next box."""

    kind: bytes
    begin: int
    content: int
    end: int


def fragments(file: BinaryIO, size: int) -> bool:
    """Return whether a file made of fragments ends inside one, or before those that its index lists."""
    found: set[bytes] = set()
    end, listed, is_cut, last = 0, 0, False, b""
    for box in _boxes(file, size):
        found.add(box.kind)
        end, last = box.end, box.kind
        is_cut |= box.end > size and box.kind in _NEEDED
        if box.kind == _SEGMENTS and box.end <= size:
            listed = max(listed, _segments_end(file, box))
    is_all = last == _FRAGMENTS or listed == end
    return _FRAGMENT in found and (is_cut or listed > size or (not is_all and _begins_a_box(file, size - end)))


def table_in(file: BinaryIO, size: int) -> tuple[int, int] | None:
    """Return from where to where the index lies that tells of all frames; None for fragments, and for no MP4."""
    table = None
    for box in islice(_boxes(file, size), _MOST_PARTS):
        if box.kind in _IN_FRAGMENTS or (table is None and box.kind not in _FIRST) or box.end > size:
            return None
        if box.kind == _INDEX and table is None:
            table = box.begin, box.end
    return table


def lacks_its_index(file: BinaryIO, size: int) -> bool:
    """Return whether this is an MP4 or QuickTime file that ends before its index, or inside it."""
    has_index = begun = False
    for box in _boxes(file, size):
        if not begun and box.kind not in _FIRST:
            return False
        if box.kind == _FRAGMENT:  # of a file that has its index somewhere else
            return False
        begun = True
        has_index |= box.kind == _INDEX and box.end <= size
    return begun and not has_index


def is_joined(file: BinaryIO, size: int) -> bool:
    """Return whether another file stands behind the first one, whose index alone is read."""
    kinds = [box.kind for box in _boxes(file, size) if box.end <= size]
    return kinds.count(_INDEX) > 1 and _FRAGMENT not in kinds


def _begins_a_box(file: BinaryIO, rest: int) -> bool:
    """Return whether the last `rest` bytes begin a box: they are fewer than any has, and state no length of 0."""
    if not 0 < rest < _HEADER:
        return False
    file.seek(-rest, os.SEEK_END)
    head = file.read(rest)
    kinds = _NEEDED | {_FRAGMENTS}
    states_length = not head[0] and (any(head[:_LENGTH]) or rest < _LENGTH)
    return states_length and any(kind.startswith(head[_LENGTH:]) for kind in kinds)


def _boxes(file: BinaryIO, size: int) -> Iterator[_Box]:
    """Yield the outermost boxes, the last of which may reach beyond the end of the file."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + _HEADER > size:
            return
        file.seek(at)
        header = file.read(_LARGE_HEADER)
        length, content = int.from_bytes(header[:_LENGTH], "big"), at + _HEADER
        if length == _LARGE:
            length, content = int.from_bytes(header[8:], "big"), at + _LARGE_HEADER
        elif length == _TO_THE_END:
            length = size - at
        if length < content - at:  # no box
            return
        yield _Box(header[4:8], at, content, at + length)
        at += length


def _segments_end(file: BinaryIO, box: _Box) -> int:
    """Return where the last of the segments ends that an index of them lists."""
    file.seek(box.content)
    data = file.read(min(box.end - box.content, _MOST_SEGMENTS_BYTES))
    wide = 8 if data[:1] == b"\1" else 4  # bytes of the time, and of the offset of the first segment
    count_at = 12 + 2 * wide + 2
    entries = data[count_at + 2 :]
    count = min(int.from_bytes(data[count_at : count_at + 2], "big"), len(entries) // 12)
    first = box.end + int.from_bytes(data[12 + wide : 12 + 2 * wide], "big")
    # The uppermost bit tells of another index in the place of a segment.
    return first + sum(
        int.from_bytes(entries[12 * entry : 12 * entry + 4], "big") & 0x7FFFFFFF for entry in range(count)
    )
