"""Pictures as files hold them: JPEG, PNG and the like, decoded and encoded by OpenCV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.base.stages import COLOUR, DECODE, stage
from pptsn.runtime.frames.library_lines import caught_lines
from pptsn.runtime.frames.picture_size import check_size, picture_size
from pptsn.runtime.frames.preprocess import Frame

# What libjpeg takes.
_LARGEST_JPEG_PX = 65_500
# A chunk has its length, its name, so many bytes of data, and a checksum.
_PNG_START, _PNG_LAST, _PNG_AROUND_DATA = b"\x89PNG\r\n\x1a\n", b"IEND", 12
# What libjpeg and libpng say of pictures.
_SAID = re.compile(
    r"libpng (?:error|warning): .*|Corrupt JPEG data: .*|Premature end of JPEG file|Inconsistent progression .*|"
    r"Invalid SOS parameters .*|Unknown Adobe color transform .*|Warning: unknown JFIF revision .*|"
    r"Application transferred too many scanlines|Invalid crop request"
)
_SAYS_SO = re.compile(r"(?:libpng (?:error|warning)|Corrupt JPEG data|Warning): ")
# Of these the pixels may be whole: some cameras fill a picture up before its end.
_MAY_BE_WHOLE = re.compile(r"[0-9]+ extraneous bytes before marker 0xd9|unknown .*")


@dataclass(frozen=True)
class StoredPicture:
    """What the bytes of a file hold.

    pixels: (H, W, 3) uint8 RGB; None where they hold no picture.
    trouble: what its library says is wrong with it, or "".  damaged: whether some of the pixels are made up.
    """

    pixels: Frame | None
    trouble: str = ""
    damaged: bool = False


def decoded_picture(content: bytes, *, thing: object) -> StoredPicture:
    """Return the picture that the bytes of a file hold; nothing is printed, whatever is wrong with it.

    It stands upright where EXIF tells how it is held.  Of the kinds that OpenCV decodes, these are the ones whose
    size can be told beforehand: JPEG, PNG, BMP and WebP.
    Raises InputError, naming `thing`, for one that is larger than may be (see `picture_size`).
    """
    import cv2

    _silence_opencv()
    # Of the one OpenCV would make an exception, of the other none can tell what is there.
    if not content or _is_cut_png(content):
        return StoredPicture(None)
    size = picture_size(content)
    if size is None:
        return StoredPicture(None)
    check_size(thing, *size)
    with stage(DECODE), caught_lines(_is_said_of_pictures) as lines:
        picture: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    trouble = _trouble(lines)
    if picture is None:
        return StoredPicture(None, trouble)
    with stage(COLOUR):
        pixels: Frame = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return StoredPicture(pixels, trouble, bool(trouble) and _MAY_BE_WHOLE.fullmatch(trouble) is None)


def _is_said_of_pictures(line: str) -> bool:
    return _SAID.fullmatch(line) is not None


def _trouble(lines: Sequence[str]) -> str:
    """Return the first of the causes that `lines` tell which makes a picture a damaged one, or else the first."""
    causes = [_SAYS_SO.sub("", line, count=1) for line in lines]
    return next((cause for cause in causes if _MAY_BE_WHOLE.fullmatch(cause) is None), (causes or [""])[0])


def encoded_jpeg(pixels: Frame, *, quality: int, thing: object) -> bytes:
    """Return the bytes of a JPEG file of `pixels`, (H, W, 3) uint8 RGB.

    quality: 1 to 100.  Raises InputError, naming `thing`, for a picture larger than a JPEG can be.
    """
    import cv2

    height, width = pixels.shape[:2]
    if max(height, width) > _LARGEST_JPEG_PX:
        raise InputError(thing, f"has pictures of {width} x {height}, which no JPEG can hold", "make them smaller")
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _is_cut_png(content: bytes) -> bool:
    """Return whether `content` is a PNG that ends before its last chunk does."""
    if not content.startswith(_PNG_START):
        return False
    at = len(_PNG_START)
    while at < len(content):
        name = content[at + 4 : at + 8]
        at += int.from_bytes(content[at : at + 4], "big") + _PNG_AROUND_DATA
        if name == _PNG_LAST:
            return at > len(content)
    return True


@cache
def _silence_opencv() -> None:
    """Keep OpenCV's own lines on damaged pictures from standard error: whoever decodes one says what is wrong.

    Not for one picture at a time, as the level is that of all threads.
    """
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
