"""How large a picture is, told from its first bytes; and how large one may be, whatever shows it.

A few megabytes of PNG decode to gigabytes.  Decoders make room for what a header says, so it is read first.
"""

from __future__ import annotations

import os
from typing import Literal

from pptsn.runtime.base.errors import InputError, UsageError

# What a picture or a video's frame may take as RGB, in megabytes: 8K and more, if not set otherwise.
VARIABLE = "PPTSN_MAX_PICTURE_MB"
DEFAULT_MB = 128
# What OpenCV and FFmpeg can be made to take at all.
LARGEST_MB = 3000
_MB = 1_000_000
_CHANNELS = 3

_PNG, _BMP, _JPEG, _RIFF, _WEBP = b"\x89PNG\r\n\x1a\n", b"BM", b"\xff\xd8", b"RIFF", b"WEBP"
# Markers that begin a JPEG's frame and tell its size: all of C0 to CF but tables and arithmetic conditioning.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length


def most_bytes() -> int:
    """Return how many bytes a picture may take as RGB; raises UsageError for a variable that is no such number."""
    text = os.environ.get(VARIABLE, "") or str(DEFAULT_MB)
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = 0.0
    if not 1 <= megabytes <= LARGEST_MB:
        raise UsageError(VARIABLE, f"is {text!r}", f"expected 1 to {LARGEST_MB} megabytes")
    return int(megabytes * _MB)


def most_pixels() -> int:
    """Return how many pixels a picture may have; errors as `most_bytes`."""
    return most_bytes() // _CHANNELS


def check_size(thing: object, width: int, height: int) -> None:
    """Raise InputError, naming `thing`, for a picture that would take more than `most_bytes` as RGB."""
    needed, allowed = _CHANNELS * width * height, most_bytes()
    if needed > allowed:
        cause = f"has a picture of {width} x {height}, {needed // _MB} MB decoded, more than {allowed // _MB} MB"
        raise InputError(thing, cause, f"make it smaller, or allow more with {VARIABLE}={-(-needed // _MB)}")


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) of a JPEG, PNG, BMP or WebP by its beginning; None for anything else."""
    try:
        if data.startswith(_PNG):
            return _number(data, 16, 4, "big"), _number(data, 20, 4, "big")
        if data.startswith(_JPEG):
            return _jpeg_size(data)
        if data.startswith(_BMP):
            return _bmp_size(data)
        if data.startswith(_RIFF) and data[8:12] == _WEBP:
            return _webp_size(data)
    except IndexError:  # it ends in its header
        pass
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = len(_JPEG)
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        marker = data[at + 1]
        if marker in _START_OF_FRAME:
            return _number(data, at + 7, 2, "big"), _number(data, at + 5, 2, "big")
        if marker == 0xFF:  # a filler
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + max(2, _number(data, at + 2, 2, "big"))


def _bmp_size(data: bytes) -> tuple[int, int]:
    if _number(data, 14, 4, "little") == 12:  # the oldest header
        return _number(data, 18, 2, "little"), _number(data, 20, 2, "little")
    # A negative height stands the picture on its head.
    width, height = _number(data, 18, 4, "little"), _number(data, 22, 4, "little")
    return width, min(height, (1 << 32) - height)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return _number(data, 24, 3, "little") + 1, _number(data, 27, 3, "little") + 1
    if kind == b"VP8L":
        bits = _number(data, 21, 4, "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _number(data, 26, 2, "little") & 0x3FFF, _number(data, 28, 2, "little") & 0x3FFF
    return None


def _number(data: bytes, at: int, length: int, order: Literal["big", "little"]) -> int:
    if at + length > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + length], order)
