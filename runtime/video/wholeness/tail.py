"""What follows a whole file and is no part of it, as a tag, in containers of which FFmpeg takes it for packets.

There it makes an error of it, a picture that is damaged, or loses the last one; it is given the file before it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pptsn.runtime.video.wholeness import headers, nut, packets, pictures

# What is longer is looked at no further.
_MOST_BYTES = 1 << 20
# Where the last part ends with so many zeros, zeros behind it are room for more of it, which was never written.
_ROOM_ZEROS = 16

# IVF: header, size and time of each packet.
_IVF_HEADER, _IVF_PACKET, _IVF_SIZE = 32, 12, 4
_MOST_PACKETS = 1_000_000
_IVF_UNKNOWN = (0, 0xFFFFFFFF)
# So many of the longest steps after the last packet another one may be.
_IVF_LONGEST_PAUSE = 100
_IVF_LONGEST_PACKET = 1 << 28
# AV1: a unit follows one of the kinds that others of its kind followed, and is no more than so many times as long
# as the longest; so many are looked at for that.
_AV1_UNITS_TO_SEE, _AV1_TIMES_THE_LONGEST, _AV1_UNITS_TO_FIND = 16, 16, 3
_OGG_PAGE, _Y4M_FRAME = b"OggS", b"FRAME"
_SWF = b"FWS"  # what is not compressed


def beginning(path: Path, size: int) -> BinaryIO:
    """Open the first `size` bytes of a file for reading; raises OSError where it cannot be opened."""
    return io.BufferedReader(_Beginning(path, size))


class _Beginning(io.RawIOBase):
    """The first `size` bytes of a file.  name: of the file, by which FFmpeg guesses its format."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115  # closed with this one
        self.name, self._size, self._at = str(path), size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what there is, none at the end."""
        data = os.pread(self._file.fileno(), max(0, min(len(buffer), self._size - self._at)), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()
        super().close()


def tail_of(path: Path) -> int | None:
    """Return where in a file begins what is no part of it; None where nothing does, or that is not known."""
    try:
        with open(path, "rb") as file:
            return tail_in(file)
    except OSError:  # whoever reads the frames will meet it, and say so
        return None


def tail_in(file: BinaryIO) -> int | None:
    """Return what `tail_of` does of an open file; raises OSError where it cannot be read."""
    head = file.read(_LONGEST_BEGINNING)
    begin = next((begin for begin in _LOOKS if head.startswith(begin)), None)
    if begin is None:
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    end = _LOOKS[begin](file, size)
    is_tail = end is not None and 0 < size - end <= _MOST_BYTES and not _is_video(file, end, begin)
    return end if is_tail else None


def _is_video(file: BinaryIO, end: int, begin: bytes) -> bool:
    """Return whether what follows the last part, which ends at `end`, is another file, or room for this one."""
    file.seek(max(0, end - _ROOM_ZEROS))
    last, rest = file.read(min(end, _ROOM_ZEROS)), file.read()
    return rest.startswith(begin) or not (any(last) or any(rest))


def _ivf(file: BinaryIO, size: int) -> int | None:
    """Return where the last packet ends, if what follows is none, and the header tells of no more."""
    header = file.read(_IVF_HEADER)
    at = int.from_bytes(header[6:8], "little") or _IVF_HEADER
    times: list[int] = []
    before = at
    while len(times) < _MOST_PACKETS:
        file.seek(at)
        head = file.read(_IVF_PACKET)
        length = int.from_bytes(head[:_IVF_SIZE], "little")
        end = at + _IVF_PACKET + length
        if len(head) < _IVF_PACKET or end > size or not length:
            is_tail = at < size and _ivf_has_all(header, times) and not _begins_ivf_packet(header, head, times)
            return at if is_tail and not _holds_ivf_packet(file, before, at, times) else None
        times.append(int.from_bytes(head[_IVF_SIZE:], "little"))
        before, at = at + _IVF_PACKET, end
    return None


def _holds_ivf_packet(file: BinaryIO, last: int, end: int, times: list[int]) -> bool:
    """Return whether a packet begins behind `last`, inside the last one or behind its `end`: there is a hole.

    The time of the last one may be one of the hole's.
    """
    file.seek(max(last, end - _MOST_BYTES))
    data = file.read(2 * _MOST_BYTES)
    count = len(data) - _IVF_PACKET + 1
    if count <= 0:
        return False
    sizes = np.ndarray((count,), "<u4", data, strides=(1,))
    stamps = np.ndarray((count,), "<u8", data, offset=_IVF_SIZE, strides=(1,))
    step = max((after - before for before, after in pairwise(times[:-1])), default=1)
    earliest = min(times[-2:])
    is_due = (stamps > earliest) & (stamps <= min(earliest + 2 * _IVF_LONGEST_PAUSE * max(step, 1), (1 << 64) - 1))
    return bool((is_due & (sizes > 0) & (sizes <= _IVF_LONGEST_PACKET)).any())


def _ivf_has_all(header: bytes, times: list[int]) -> bool:
    """Return whether these packets are as many, or take as long, as the header says, where it says so."""
    stated = int.from_bytes(header[24:28], "little")
    if _ivf_states_none(header) or len(times) >= stated:
        return bool(times)
    return len(times) > 1 and times[-1] - times[0] + 1.5 * (times[-1] - times[0]) / (len(times) - 1) >= stated


def _ivf_states_none(header: bytes) -> bool:
    return int.from_bytes(header[24:28], "little") in _IVF_UNKNOWN


def _begins_ivf_packet(header: bytes, head: bytes, times: list[int]) -> bool:
    """Return whether `head`, which may not be whole, may be the beginning of the packet after those at `times`."""
    length, time = int.from_bytes(head[:_IVF_SIZE], "little"), head[_IVF_SIZE:]
    if len(head) < _IVF_SIZE:
        return length > 0 and _ivf_states_none(header)
    if not 0 < length <= _IVF_LONGEST_PACKET:
        return False
    step = max((after - before for before, after in pairwise(times)), default=1)
    latest = times[-1] + _IVF_LONGEST_PAUSE * max(step, 1)
    if len(head) == _IVF_PACKET:
        return times[-1] <= int.from_bytes(time, "little") <= latest
    due = range(times[-1], min(latest, times[-1] + 10_000) + 1)
    return any(number.to_bytes(8, "little").startswith(time) for number in due if number < 1 << 64)


def _av1(file: BinaryIO, size: int) -> int | None:
    """Return where the last unit ends, if what follows is none."""
    followed: set[tuple[int, int]] = set()
    before, last, end, longest, odd = 0, 0, 0, 0, None
    for count, unit in enumerate(packets.av1_walk(file, size)):
        length = unit.end - unit.begin
        is_usual = (before, unit.kind) in followed and length <= _AV1_TIMES_THE_LONGEST * longest
        is_usual |= count < _AV1_UNITS_TO_SEE
        odd = unit.begin if odd is None and not is_usual else odd
        if unit.end > size or not unit.is_valid:
            end = unit.begin if odd is None and not unit.is_valid else odd or 0
            break
        followed.add((before, unit.kind))
        before, longest = unit.kind, max(longest, length)
        last = unit.begin if odd is None else last
    return end if end and not _holds_av1(file, last + 1, size) else None


def _holds_av1(file: BinaryIO, begin: int, size: int) -> bool:
    """Return whether pictures begin inside the last unit or behind what is none, which makes that a hole."""
    file.seek(begin)
    rest = file.read(2 * _MOST_BYTES)
    for found in re.finditer(re.escape(packets.AV1_DELIMITER), rest):
        units = packets.av1_walk(file, size, begin + found.start())
        several = [unit for unit, _ in zip(units, range(_AV1_UNITS_TO_FIND), strict=False)]
        are_units = len(several) > 1 and all(unit.is_valid and unit.end <= size for unit in several)
        if are_units and (len(several) == _AV1_UNITS_TO_FIND or several[-1].end == size):
            return True
    return False


def _y4m(file: BinaryIO, size: int) -> int | None:
    """Return where the last picture ends, if what follows is none and there is none in either."""
    end, picture_bytes = pictures.y4m_end(file, size)
    if end is None or end >= size:
        return None
    file.seek(max(0, end - picture_bytes))
    last, rest = file.read(min(end, picture_bytes)), file.read(_MOST_BYTES)
    is_picture = _Y4M_FRAME in last + rest or _Y4M_FRAME.startswith(rest)
    # One whose own beginning was overwritten.
    is_picture |= len(rest) == len(_Y4M_FRAME) + 1 + picture_bytes
    return None if is_picture else end


def _ogg(file: BinaryIO, size: int) -> int | None:
    """Return where the last page ends, if it is the last of a stream."""
    end = packets.ogg_end(file, size)
    return None if end is None or end >= size else end


def _swf(file: BinaryIO, size: int) -> int | None:
    """Return where the file ends as its header says."""
    end = int.from_bytes(file.read(8)[4:], "little")
    return end if end < size else None


_LOOKS: dict[bytes, Callable[[BinaryIO, int], int | None]] = {
    headers.IVF: _ivf,
    nut.BEGIN: nut.index_end,
    _OGG_PAGE: _ogg,
    packets.AV1_DELIMITER: _av1,
    _SWF: _swf,
    pictures.Y4M: _y4m,
}
_LONGEST_BEGINNING = max(map(len, _LOOKS))
