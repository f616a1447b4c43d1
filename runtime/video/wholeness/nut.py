"""NUT: an index at the end, unless the muxer was told to leave it out, and frames that begin with their size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BEGIN = b"nut/multimedia container\0"
_CODE_BYTES, _CHECKSUM_BYTES = 8, 4
_FIRST_OF_CODES = 0x4E
_MAIN, _SYNCPOINT, _INDEX = (
    bytes.fromhex(f"4e{code}") for code in ("4d7a561f5f04ad", "4be4adeeca4569", "58dd672f23e64e")
)
# A packet that is longer has a checksum of its beginning as well.
_LONG_PACKET = 4096
# Before the checksum that ends the file stands how many bytes the index takes.
_INDEX_BYTES = 8
_HEAD_BYTES = 1 << 16
# The last syncpoint is in it: they are 32 kB apart, or as far as a frame takes.
_TAIL_BYTES = 1 << 22
_MOST_FRAMES = 100_000  # of a file are walked through
_CODES, _FIELDS, _LONGEST_NUMBER = 256, 8, 9
# What a frame's beginning has, by its flags.
_CODED_PTS, _STREAM_ID, _SIZE_MSB, _CHECKSUM, _RESERVED = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_HEADER_NUMBER, _MATCH_TIME, _CODED_FLAGS = 1 << 10, 1 << 11, 1 << 12
# A longer frame leaves nothing out.
_LONGEST_ELIDED = 4096


def nut(file: BinaryIO, size: int) -> bool | None:
    """Return whether the last frame is not whole; None where it is, and no index tells that it is the last."""
    if _ends_with_index(file, size):
        return False
    file.seek(0)
    try:
        codes, elided = _frame_codes(file.read(_HEAD_BYTES))
    except _EndError:
        return True
    file.seek(max(0, size - _TAIL_BYTES))
    tail = _Numbers(file.read())
    begin = tail.data.rfind(_SYNCPOINT)
    if begin < 0 and size > _TAIL_BYTES:
        return None
    tail.at = len(BEGIN) if begin < 0 else begin
    try:
        for _ in range(_MOST_FRAMES):
            if tail.at >= len(tail.data):
                return True if tail.at > len(tail.data) else None
            _pass_over(tail, codes, elided)
    except _EndError:
        return True
    except LookupError:  # of what the header does not tell of
        return None
    return None


def _ends_with_index(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - _CHECKSUM_BYTES - _INDEX_BYTES))
    length = int.from_bytes(file.read(_INDEX_BYTES), "big")
    if not _CODE_BYTES <= length <= size:
        return False
    file.seek(size - length)
    return file.read(_CODE_BYTES) == _INDEX


def index_end(file: BinaryIO, size: int) -> int | None:
    """Return where the index ends, which is the last part of a file, if something follows it; else None."""
    if _ends_with_index(file, size):
        return None
    begin = max(0, size - _TAIL_BYTES)
    file.seek(begin)
    numbers = _Numbers(file.read())
    at = numbers.data.rfind(_INDEX)
    numbers.at = at + _CODE_BYTES
    try:
        length = numbers.next()
    except _EndError:
        return None
    end = begin + numbers.at + length + (_CHECKSUM_BYTES if length > _LONG_PACKET else 0)
    return end if at >= 0 and end < size else None


class _EndError(Exception):
    """The data end inside a number."""


@dataclass
class _Numbers:
    """Reads numbers from `data`, of which each byte has seven bits.  at: where the next one begins."""

    data: bytes
    at: int = 0

    def next(self) -> int:
        """Return the next number; raises _EndError where it is not whole."""
        value = 0
        for byte in self.data[self.at : self.at + _LONGEST_NUMBER]:
            self.at += 1
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value
        raise _EndError

    def several(self, count: int) -> Iterator[int]:
        """Yield so many."""
        return (self.next() for _ in range(count))


@dataclass(frozen=True)
class _FrameCode:
    """What the first byte of a frame says: which fields follow, and how its size is coded."""

    flags: int
    size_step: int
    size_rest: int
    reserved: int
    header: int


def _frame_codes(head: bytes) -> tuple[dict[int, _FrameCode], list[int]]:
    """Return what each code of a frame means, and how many bytes are left out of frames by each number for that.

    Raises _EndError where the main header is not whole.
    """
    numbers = _Numbers(head, head.find(_MAIN) + _CODE_BYTES)
    packet = numbers.next()
    numbers.at += _CHECKSUM_BYTES if packet > _LONG_PACKET else 0
    if numbers.next() > 3:
        numbers.next()  # the minor version
    _streams, _distance, clocks = numbers.several(3)
    list(numbers.several(2 * clocks))
    codes: dict[int, _FrameCode] = {}
    code, step, header = 0, 1, 0
    while code < _CODES:
        flags, count = numbers.several(2)
        fields = list(numbers.several(count))
        step = fields[1] if count > 1 else step
        rest, reserved = (fields[at] if count > at else 0 for at in (3, 4))
        run = fields[5] if count > 5 else step - rest
        header = fields[7] if count >= _FIELDS else header
        for place in range(min(run, _CODES - code)):
            code += code == _FIRST_OF_CODES  # that of packets
            codes[code] = _FrameCode(flags, step, rest + place, reserved, header)
            code += 1
    elided = [0]
    for _ in range(numbers.next()):
        elided.append(numbers.next())
        numbers.at += elided[-1]
    return codes, elided


def _pass_over(numbers: _Numbers, codes: dict[int, _FrameCode], elided: list[int]) -> None:
    """Go to the end of the frame or packet that begins here; raises _EndError inside its beginning."""
    first = numbers.data[numbers.at]
    if first == _FIRST_OF_CODES:
        numbers.at += _CODE_BYTES
        length = numbers.next()
        numbers.at += length + (_CHECKSUM_BYTES if length > _LONG_PACKET else 0)
        return
    numbers.at += 1
    code = codes[first]
    flags = code.flags ^ (numbers.next() if code.flags & _CODED_FLAGS else 0)
    list(numbers.several(bool(flags & _STREAM_ID) + bool(flags & _CODED_PTS)))
    size = code.size_rest + (code.size_step * numbers.next() if flags & _SIZE_MSB else 0)
    list(numbers.several(bool(flags & _MATCH_TIME)))
    header = numbers.next() if flags & _HEADER_NUMBER else code.header
    list(numbers.several(numbers.next() if flags & _RESERVED else code.reserved))
    size -= elided[header] if size <= _LONGEST_ELIDED else 0
    numbers.at += max(size, 0) + (_CHECKSUM_BYTES if flags & _CHECKSUM else 0)
