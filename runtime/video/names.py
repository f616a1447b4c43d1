"""What the names of files tell: which are videos, and which only lie beside videos and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

# What FFmpeg's demuxers and muxers call files with moving pictures, and what cameras and people call them besides.
# Names that mean something else just as often (.avs, .dat, .mpl, .ogg, .swf, .yuv) are left out.
# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".264", ".265", ".266", ".3g2", ".3gp", ".3gp2", ".3gpp", ".amv", ".apng", ".apv", ".asf", ".avc", ".avi",
    ".avs2", ".avs3", ".bik", ".dav", ".dif", ".divx", ".drc", ".dv", ".dvr-ms", ".evc", ".f4v", ".flc", ".fli",
    ".flv", ".gif", ".gxf", ".h261", ".h263", ".h264", ".h265", ".h266", ".h26l", ".hevc", ".ismv", ".ivf", ".m1v",
    ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mod", ".moflex", ".mov", ".mp4",
    ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpv", ".mqv", ".mts", ".mxf", ".mxg", ".nsv", ".nut", ".obu", ".ogm",
    ".ogv", ".ps", ".psp", ".qt", ".rcv", ".rm", ".rmvb", ".roq", ".smk", ".tod", ".tp", ".trp", ".ts", ".ty",
    ".vc1", ".viv", ".vob", ".vro", ".vvc", ".webm", ".wmv", ".wtv", ".xmv", ".y4m",
))
# fmt: on

# What macOS, Windows, Linux desktops and network storage put beside people's own files, in lower case.
_COMPANION_PREFIX = "._"
# fmt: off
_COMPANIONS = frozenset((
    "#recycle", "$recycle.bin", ".appledouble", ".directory", ".ds_store", ".fseventsd", ".localized",
    ".spotlight-v100", ".trashes", "@eadir", "@tmp", "__macosx", "desktop.ini", "ehthumbs.db", "lost+found",
    "system volume information", "thumbs.db",
))
# fmt: on
# So many names are told in one line.
NAMED = 5
# The warning of whatever has pictures of several sizes.
SIZE_CHANGES = "the picture size changes on the way"


def is_video(name: str) -> bool:
    """Return whether a file called `name` is taken for a video."""
    return PurePath(name).suffix.lower() in VIDEO_SUFFIXES


def is_companion(path: str | PurePath) -> bool:
    """Return whether the file or folder at `path`, or one that it lies in, is of the system's own making."""
    return any(
        (part.startswith(_COMPANION_PREFIX) and part != _COMPANION_PREFIX) or part.lower() in _COMPANIONS
        for part in PurePath(path).parts
    )


def some_of(names: Sequence[str], *, of: int | None = None) -> str:
    """Return the first of `names`, and how many more there are: of `of`, where these are but some."""
    more = (len(names) if of is None else of) - min(len(names), NAMED)
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, thing: str) -> str:
    """Return the beginning of a sentence about so many things: `1 clip is`, `2 clips are`."""
    return f"{number_of(number, thing)} {'is' if number == 1 else 'are'}"


def number_of(number: int, thing: str) -> str:
    """Return so many things in words: `1 clip`, `2 clips`."""
    return f"1 {thing}" if number == 1 else f"{number} {thing}s"
