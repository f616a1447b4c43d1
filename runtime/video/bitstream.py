"""What a packet shows without being decoded: whether it holds a picture, and whether decoding can begin at it.

Containers mark as key frames what an encoder or muxer said to be one.  H.264 and HEVC say in the picture itself
whether all that follows is independent of all that came before (ITU-T H.264 7.4.1.2.4 and D.2.8, H.265 7.4.2.2):
a stream refreshed bit by bit, say, has "key frames" from which the first pictures come out incomplete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_IDR_SLICE, _SEI = 5, 6
_H264_SLICES = frozenset({1, 2, 5})
_HEVC_SLICES = range(32)
_HEVC_RANDOM_ACCESS = range(16, 24)
_FORBIDDEN_BIT = 0x80
_RECOVERY_POINT, _ORIENTATION = 6, 47
_HEVC_SEI = 39
_EMULATION = b"\0\0\3"
# recovery_frame_cnt = 0 is the single bit 1, and exact_match_flag follows it.
_EXACT_AT_ONCE = 0b11000000

_START_CODE = re.compile(rb"\x00\x00\x01(?=.)", re.DOTALL)
_VP9_FRAME_MARKER = 0b10
# Enough of a unit to tell its kind and to read a recovery point.
_HEAD_BYTES = 256


class PacketInspector:
    """Looks at the packets of one stream.

    codec: FFmpeg's name of the decoder.  extradata: the stream's parameter sets, which tell how units are parted.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self._codec = codec
        length_at = {"h264": 4, "hevc": 21}.get(codec, 0)
        framed = length_at and extradata is not None and len(extradata) > length_at and extradata[0] == 1
        # How many bytes the length before each unit takes, or 0 where start codes part the units.
        self._length_size = (extradata[length_at] & 3) + 1 if framed and extradata else 0

    def holds_picture(self, packet: memoryview) -> bool:
        """Return whether `packet` looks like one whole picture.  Codecs that are not known here are believed.

        A packet that is not would give no frame, so that those after it would have other numbers.
        """
        if self._codec == "vp9":
            return packet[0] >> 6 == _VP9_FRAME_MARKER
        if self._codec == "mpeg4":
            return bytes(packet[:3]) == b"\0\0\1"
        if self._codec not in ("h264", "hevc"):
            return True
        if self._length_size and not self._adds_up(packet):
            return False
        return any(self._is_slice(head) for head in self._units(packet))

    def is_clean_start(self, packet: memoryview) -> bool:
        """Return whether the pictures from this key packet on decode the same as with all that came before it.

        Codecs other than H.264 and HEVC are believed.
        """
        if self._codec == "h264":
            return any(_is_h264_start(bytes(head)) for head in self._units(packet))
        if self._codec == "hevc":
            return any((head[0] >> 1) & 63 in _HEVC_RANDOM_ACCESS for head in self._units(packet))
        return True

    def turns_pictures(self, packet: memoryview) -> bool:
        """Return whether `packet` says in its messages how pictures are held; those after it may rely on that."""
        header = {"h264": 1, "hevc": 2}.get(self._codec, 0)
        if not header:
            return False
        whole = self._units(packet, bytes_of_each=len(packet))
        units = (bytes(unit).replace(_EMULATION, b"\0\0") for unit in whole)
        return any(self._is_sei(unit) and _ORIENTATION in _sei_kinds(unit[header:]) for unit in units)

    def _is_sei(self, unit: bytes) -> bool:
        return unit[0] & 31 == _SEI if self._codec == "h264" else (unit[0] >> 1) & 63 == _HEVC_SEI

    def _is_slice(self, head: memoryview) -> bool:
        if head[0] & _FORBIDDEN_BIT:
            return False
        return head[0] & 31 in _H264_SLICES if self._codec == "h264" else (head[0] >> 1) & 63 in _HEVC_SLICES

    def _adds_up(self, packet: memoryview) -> bool:
        """Return whether the lengths of the units in `packet` take up all of it."""
        at, step = 0, self._length_size
        while at + step <= len(packet):
            at += step + int.from_bytes(packet[at : at + step], "big")
        return at == len(packet)

    def _units(self, packet: memoryview, *, bytes_of_each: int = _HEAD_BYTES) -> Iterator[memoryview]:
        """Yield the first bytes of each unit of `packet`."""
        if not self._length_size:
            for code in _START_CODE.finditer(packet):
                yield packet[code.end() : code.end() + bytes_of_each]
            return
        at, step = 0, self._length_size
        while at + step < len(packet):
            size = int.from_bytes(packet[at : at + step], "big")
            at += step
            if size and at < len(packet):
                yield packet[at : at + min(size, bytes_of_each)]
            at += size


def _is_h264_start(unit: bytes) -> bool:
    kind = unit[0] & 31
    return kind == _IDR_SLICE or (kind == _SEI and _recovers_at_once(unit[1:]))


def _recovers_at_once(messages: bytes) -> bool:
    """Return whether the SEI `messages` hold a recovery point that is exact from this very picture on."""
    at = 0
    while at + 2 < len(messages):
        kind, at = _sei_number(messages, at)
        size, at = _sei_number(messages, at)
        if kind == _RECOVERY_POINT and at < len(messages):
            return messages[at] & _EXACT_AT_ONCE == _EXACT_AT_ONCE
        at += size
    return False


def _sei_kinds(messages: bytes) -> Iterator[int]:
    """Yield the kind of each of the SEI `messages`."""
    at = 0
    while at + 2 < len(messages):
        kind, at = _sei_number(messages, at)
        size, at = _sei_number(messages, at)
        yield kind
        at += size


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, written as any count of 255 and a last byte, and the offset after it."""
    total = 0
    while at < len(data) and data[at] == 255:
        total, at = total + 255, at + 1
    return (total + data[at], at + 1) if at < len(data) else (total, at)
