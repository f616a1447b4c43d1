"""Whether decoding may begin at a packet that its container calls a key frame.

Containers mark as key frames what an encoder or muxer said to be one.  H.264 and HEVC say in the picture itself
whether everything after it is independent of everything before it (ITU-T H.264 7.4.1.2.4 and D.2.8, H.265
7.4.2.2); a stream refreshed bit by bit, say, has "key frames" from which the first pictures come out incomplete.
"""

from __future__ import annotations

from collections.abc import Iterator

_IDR_SLICE, _SEI = 5, 6
_RECOVERY_POINT = 6
# recovery_frame_cnt = 0 is the single bit 1, and exact_match_flag follows it.
_EXACT_AT_ONCE = 0b11000000
_HEVC_RANDOM_ACCESS = range(16, 24)


def is_clean_start(codec: str, packet: bytes, extradata: bytes | None) -> bool:
    """Return whether the pictures from this key packet on decode the same as with all that came before it.

    codec: FFmpeg's name.  Codecs other than H.264 and HEVC are believed.
    """
    if codec == "h264":
        return any(_is_h264_start(unit) for unit in _nal_units(packet, _length_size(extradata, 4)))
    if codec == "hevc":
        units = _nal_units(packet, _length_size(extradata, 21))
        return any((unit[0] >> 1) & 63 in _HEVC_RANDOM_ACCESS for unit in units)
    return True


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


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, written as any count of 255 and a last byte, and the place after it."""
    total = 0
    while at < len(data) and data[at] == 255:
        total, at = total + 255, at + 1
    return (total + data[at], at + 1) if at < len(data) else (total, at)


def _length_size(extradata: bytes | None, at: int) -> int:
    """Return how many bytes the length before each unit takes, or 0 where start codes part the units."""
    if extradata is None or len(extradata) <= at or extradata[0] != 1:
        return 0
    return (extradata[at] & 3) + 1


def _nal_units(packet: bytes, length_size: int) -> Iterator[bytes]:
    """Yield the first bytes of each unit of a packet: as much as tells its kind, and all of a short one."""
    if not length_size:
        yield from (unit[:4096] for unit in packet.split(b"\0\0\1")[1:] if unit)
        return
    at = 0
    while at + length_size < len(packet):
        size = int.from_bytes(packet[at : at + length_size], "big")
        at += length_size
        if size:
            yield packet[at : at + min(size, 4096)]
        at += size
