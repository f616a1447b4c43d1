"""Whether a file ends before its own structure does, whatever its container."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pptsn.runtime.video.wholeness import headers, mp4, nut, packets, pictures
from pptsn.runtime.video.wholeness.tail import tail_in

# What is wrong with a file that lacks its index, and the remedy.
UNFINISHED = ("ends before its index, as a download or a recording that was not finished", "get the whole file")
# A file by its path, or what opens one: a text of bytes that may have no path, and raises OSError where it cannot.
Content: TypeAlias = "Path | Callable[[], BinaryIO]"
# Given an open file and its size in bytes.
_Look: TypeAlias = Callable[[BinaryIO, int], bool | None]

# FFmpeg's name of it.
MP4, MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
_LOOKS: dict[str, _Look] = {
    "apng": pictures.png,
    "asf": headers.asf,
    "avi": headers.riff,
    "dv": packets.dv,
    "flv": packets.flv,
    "gif": pictures.gif,
    "ivf": headers.ivf,
    "jpeg_pipe": pictures.jpegs,  # what FFmpeg calls JPEGs in a row that begin without a comment
    MATROSKA: headers.matroska,
    "mjpeg": pictures.jpegs,
    MP4: mp4.fragments,
    "mpeg": packets.program_stream,
    "mpegts": packets.transport_stream,
    "mxf": headers.mxf,
    "nut": nut.nut,
    "obu": packets.av1_units,
    "ogg": packets.ogg,
    "rm": packets.real_media,
    "swf": headers.swf,
    "yuv4mpegpipe": pictures.y4m,
}
# By the first bytes of a file in which FFmpeg found nothing.
_BEGINNINGS: dict[bytes, _Look] = {
    headers.ASF_HEADER: headers.asf,
    headers.EBML: headers.matroska,
    headers.MXF_HEADER: headers.mxf,
    headers.RIFF: headers.riff,
    packets.FLV: packets.flv,
    packets.RM: packets.real_media,
}
# Containers of which FFmpeg reads no other one behind the first, by how that begins; so much is looked at for it.
_HEADS = {
    "asf": re.compile(re.escape(headers.ASF_HEADER)),
    "flv": re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09\0\0\0\0"),
}
_BEHIND_BYTES = 1 << 20
_LONGEST_BEGINNING = max(map(len, _BEGINNINGS))


def opened(content: Content) -> BinaryIO:
    """Return `content`, open for reading; raises OSError where it cannot be opened."""
    return open(content, "rb") if isinstance(content, Path) else content()


def is_cut_off(content: Content | None, container: str) -> bool | None:
    """Return whether `content` ends before its own structure does; None where that says nothing.

    content: None, or what raises OSError in reading, where it is not at hand.
    container: FFmpeg's name of its format.
    """
    look = _LOOKS.get(container)
    if look is None or content is None:
        return None
    is_cut = _says(look, content)
    return False if is_cut and _says(_has_tail, content) else is_cut


def lacks_pictures(content: Content | None, container: str) -> bool:
    """Return whether what `content`, which is cut off, lacks are pictures, as its structure has it."""
    if content is None or container != MATROSKA:
        return False
    return bool(_says(headers.ends_inside_a_cluster, content))


def is_cut_off_early(content: Content) -> bool:
    """Return whether a file that cannot be opened, or shows nothing, ends too early, by its first bytes."""
    return bool(_says(_by_beginning, content))


def lacks_its_index(content: Content) -> bool:
    """Return whether `content` is an MP4 or QuickTime file that ends before its index, or inside it."""
    return bool(_says(mp4.lacks_its_index, content))


def is_joined(content: Content | None, container: str, read_to: int) -> bool:
    """Return whether behind the file another begins of which nothing is read; arguments as for `is_cut_off`.

    read_to: where the last packet that was read begins.
    """
    if content is None or container not in (MP4, *_HEADS):
        return False
    if container == MP4:
        return bool(_says(mp4.is_joined, content))
    return bool(_says(lambda file, _: _holds_a_head(file, read_to, _HEADS[container]), content))


def _holds_a_head(file: BinaryIO, begin: int, head: re.Pattern[bytes]) -> bool:
    file.seek(begin)
    return head.search(file.read(_BEHIND_BYTES)) is not None


def broken_share(content: Content | None, container: str) -> float | None:
    """Return after what share of `content` its structure is broken; None where it is not known to be."""
    if container != "gif" or content is None:
        return None
    try:
        with opened(content) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            at = pictures.gif_break(file, size)
    except OSError:
        return None
    return None if at is None else at / size


def is_scrambled(content: Content) -> bool:
    """Return whether `content` is a transport stream of which most is encrypted, as of pay television."""
    return bool(_says(packets.is_scrambled, content))


def is_last_boundary(content: Content | None, at: int) -> bool:
    """Return whether from `at` on `content`, a multipart message, holds nothing but the boundary at its end."""
    return content is not None and bool(_says(lambda file, _: pictures.ends_with_a_boundary(file, at), content))


def _says(look: _Look, content: Content) -> bool | None:
    try:
        with opened(content) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            return look(file, size)
    except OSError:  # whoever reads the frames will meet it, and say so
        return None


def _has_tail(file: BinaryIO, size: int) -> bool:
    return tail_in(file) is not None


def _by_beginning(file: BinaryIO, size: int) -> bool:
    head = file.read(_LONGEST_BEGINNING)
    file.seek(0)
    if any(head.startswith(beginning) and look(file, size) for beginning, look in _BEGINNINGS.items()):
        return True
    file.seek(0)
    return mp4.fragments(file, size)
